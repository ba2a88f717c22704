//! What is said of the web view in OpenAPI holds.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Web, shop, wait_until};
use crate::daemon::PATIENCE;

fn resolved<'d>(description: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(at) => description.pointer(at.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

/// Each operation answers with a status that is described, and with what is described for it.
#[test]
fn description_is_of_what_there_is() {
    let host = or_skip!(shop());
    let arguments =
        ["web", "--listen", "127.0.0.1:0", "--every", "1", "--allow", "restart", "--json"];
    let web = Web::of(&mut host.command(&arguments));
    web.wait_for("/", "RUNNING x2");
    let description: Value = serde_json::from_str(&web.page("/api/openapi.json")).unwrap();
    let form = "do=restart&site=shop.example&program=mail";
    let created = web.post("/api/plans", form);
    let plan = created.header("location").unwrap().to_owned();
    wait_until(PATIENCE, "it is planned", || web.page(&plan).contains("\"stage\":\"planned\""));
    let id = plan.rsplit('/').next().unwrap();
    let mut statuses = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        let at = |id: &str| match path.as_str() {
            "/api/log" => format!("{path}?host=here&site=shop.example&program=mail"),
            _ => path.replace("{id}", id),
        };
        let operations = operations.as_object().unwrap();
        for (method, operation) in operations {
            let signed_out = match method.as_str() {
                "get" => vec![web.ask("GET", &at(id), "")],
                _ => Vec::new(),
            };
            let signed_in = match method.as_str() {
                "get" => vec![web.get(&at(id)), web.get(&at("0000"))],
                "post" => vec![
                    web.post(&at(id), "do=nothing"),
                    web.post(&at("0000"), form),
                    web.post(&at(id), "do=stop"),
                ],
                other => panic!("{other}"),
            };
            for answer in signed_out.into_iter().chain(signed_in) {
                let described = &operation["responses"][answer.status.to_string()];
                assert!(described.is_object(), "{method} {path}: {answer:?}");
                statuses.insert(answer.status);
                let described = resolved(&description, described);
                let Some(content) = described["content"].as_object() else { continue };
                let (kind, _) = answer
                    .header("content-type")
                    .unwrap()
                    .split_once(';')
                    .unwrap_or((answer.header("content-type").unwrap(), ""));
                assert!(content.contains_key(kind), "{method} {path}: {kind}");
                if kind == "application/jsonl" {
                    crate::documents::assert_valid(&answer.body);
                }
            }
        }
        // Nothing stands there that is not described.
        for method in ["get", "post"].into_iter().filter(|method| !operations.contains_key(*method))
        {
            let answer = match method {
                "get" => web.get(&at(id)),
                _ => web.post(&at(id), form),
            };
            assert!(matches!(answer.status, 404 | 405), "{method} {path}: {answer:?}");
        }
    }
    assert_eq!(statuses, BTreeSet::from([200, 201, 400, 401, 403, 404, 409]));
    web.end();
}
