//! The description of the API, made from the types that are served.

use utoipa::OpenApi;
use utoipa::openapi::{ContentBuilder, RefOr, ResponseBuilder};

use super::problem::Problem;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "flowstage",
        description = "What staged network policies would do to the traffic that was seen. Everything here only reads.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        super::status::status,
        super::edges::edges,
        super::edges::denies,
        super::policies::policies,
        super::recommendations::recommendations,
        super::recommendations::recommendation,
        super::api::openapi,
    ),
    components(schemas(Problem))
)]
struct Document;

/// Makes the OpenAPI document for a version of the program.
#[must_use]
pub fn document(version: &str) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    version.clone_into(&mut document.info.version);
    // Every operation fails in the same form; one place says so.
    for item in document.paths.paths.values_mut() {
        let Some(operation) = &mut item.get else { continue };
        let content =
            ContentBuilder::new().schema(Some(utoipa::openapi::Ref::from_schema_name("Problem"))).build();
        let problem = ResponseBuilder::new()
            .description("A problem document (RFC 9457).")
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.insert("default".to_owned(), RefOr::T(problem));
    }
    document
}
