//! A check of bodies against the schemas of the OpenAPI document.

use flowstage::http::document;
use serde_json::Value;

pub(crate) struct Schemas(pub(crate) Value);

impl Schemas {
    pub(crate) fn new() -> Self {
        Self(serde_json::to_value(document("0.1.0")).unwrap())
    }

    #[track_caller]
    pub(crate) fn check(&self, route: &str, body: &Value) {
        let response = &self.0["paths"][route]["get"]["responses"]["200"];
        let schema = &response["content"]["application/json"]["schema"];
        assert!(!schema.is_null(), "{route} has no schema: {response}");
        if let Err(error) = self.validate(schema, body, "$") {
            panic!("{route}: {error}\nbody: {body:#}\nschema: {schema:#}");
        }
    }

    /// Checks what the schemas here use: references, types, required and known properties, items, values.
    pub(crate) fn validate(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            let target = self.0.pointer(pointer).ok_or_else(|| format!("{reference} leads nowhere"))?;
            return self.validate(target, value, at);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[key].as_array() {
                let fits = choices.iter().filter(|it| self.validate(it, value, at).is_ok()).count();
                return if fits == 1 { Ok(()) } else { Err(format!("{at}: {fits} of {key} fit {value}")) };
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let number = kind == "integer" && types.contains(&"number");
        if !types.is_empty() && !types.contains(&kind) && !number {
            return Err(format!("{at}: {kind} where {types:?} stands"));
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            return Err(format!("{at}: {value} is none of {values:?}"));
        }
        if let (Some(minimum), Some(found)) = (schema["minimum"].as_f64(), value.as_f64())
            && found < minimum
        {
            return Err(format!("{at}: {found} is below {minimum}"));
        }
        if let Some(items) = value.as_array() {
            for (place, item) in items.iter().enumerate() {
                self.validate(&schema["items"], item, &format!("{at}[{place}]"))?;
            }
        }
        let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else {
            return Ok(());
        };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                return Err(format!("{at}: `{name}` is required"));
            }
        }
        for (name, value) in object {
            let schema = properties.get(name).ok_or_else(|| format!("{at}: `{name}` is not described"))?;
            self.validate(schema, value, &format!("{at}.{name}"))?;
        }
        Ok(())
    }
}

#[test]
fn the_check_notices_what_is_missing_unknown_or_of_another_type() {
    let schemas = Schemas::new();
    let check = |body: Value| {
        let schema = &schemas.0["components"]["schemas"]["PolicySetItem"];
        schemas.validate(schema, &body, "$").map_err(|it| it.split('`').nth(1).unwrap_or("type").to_owned())
    };
    let good = serde_json::json!({ "revision": "07", "enforced": 1, "staged": 2 });
    assert_eq!(check(good.clone()), Ok(()));
    for (name, value, expected) in [
        ("staged", None, "staged"),
        ("extra", Some(1), "extra"),
        ("revision", Some(7), "type"),
        ("staged", Some(-1), "type"),
    ] {
        let mut bad = good.clone();
        match value {
            Some(value) => bad[name] = value.into(),
            None => drop(bad.as_object_mut().unwrap().remove(name)),
        }
        assert_eq!(check(bad), Err(expected.to_owned()), "{name}");
    }
}
