//! What an engineer reads who asks why.

use expect_test::{Expect, expect};

use super::fixture::{allow, connection_of, db_in, deny, pass, policy, programs};
use crate::evaluate::{Options, explain};
use crate::model::Direction;

#[track_caller]
fn check(policies: Vec<super::fixture::PolicyText>, flow: &str, expect: &Expect) {
    let programs = programs(&Options::default(), policies);
    let flow = connection_of(&programs, flow);
    expect.assert_eq(&explain(&programs, Direction::Ingress, &flow.connection()).to_string());
}

#[test]
fn a_rule_that_does_not_match_says_what_it_asked_for() {
    check(
        vec![db_in(), policy("np", "shop/web-in").selects("app == 'web'").ingress([])],
        "web -> db tcp/6379",
        &expect![[r#"
            ingress of wep shop/web (10.0.1.10) -> wep shop/db (10.0.1.20) tcp/6379
            enforced: deny
            pending:  deny
            tier default (ends in deny)
              np:shop/db-in selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
                rule 0 allow does not match: destination port 6379 is not in 5432
                enforced: no rule of the tier matched; its end is charged here: deny
                pending: no rule of the tier matched; its end is charged here: deny
            np:shop/web-in does not select it: `(app == "web" && projectcalico.org/namespace == "shop")`
        "#]],
    );
}

#[test]
fn a_staged_deny_is_shown_beside_what_is_enforced() {
    check(
        vec![
            policy("gnp", "first").tier("security").ingress([pass().protocol("tcp")]),
            policy("snp", "shop/s").order(1.0).selects("app == 'db'").ingress([deny().from("app == 'web'")]),
            policy("np", "shop/open").order(2.0).selects("app == 'db'").ingress([allow()]),
        ],
        "web -> db tcp/5432",
        &expect![[r#"
            ingress of wep shop/web (10.0.1.10) -> wep shop/db (10.0.1.20) tcp/5432
            enforced: allow
            pending:  deny
            the staged policies would deny it: charged to snp:shop/s, to blame snp:shop/s
            tier security (ends in deny)
              gnp:first selects it: `all()`
                rule 0 pass matches: protocol tcp is tcp
                enforced: pass by rule 0
                pending: pass by rule 0
            tier default (ends in deny)
              snp:shop/s (staged) selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
                rule 0 deny matches: source wep shop/web (10.0.1.10) {app=web,tier=front} matches `(projectcalico.org/namespace == "shop" && app == "web")`
                pending: deny by rule 0
              np:shop/open selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
                rule 0 allow matches: it asks for nothing
                enforced: allow by rule 0
        "#]],
    );
}
