use prost_reflect::DynamicMessage;

use super::*;

fn api() -> DescriptorPool {
    DescriptorPool::decode(storeplane_proto::FILE_DESCRIPTOR_SET).expect("descriptors")
}

fn unary(api: &DescriptorPool) -> Vec<MethodDescriptor> {
    let services = api.services().filter(|service| service.package_name() == PACKAGE);
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).filter(is_unary).collect()
}

#[test]
fn every_unary_method_has_description_and_valid_example() {
    let api = api();
    let document = document(&api);
    let methods = unary(&api);
    assert!(methods.len() >= 15, "{methods:?}");
    assert_eq!(document["paths"].as_object().expect("paths").len(), methods.len());
    for method in methods {
        let operation = &document["paths"][path(&method)]["post"];
        let (name, summary) = (method.name(), operation["summary"].as_str().unwrap_or_default());
        assert!(summary.len() > 5 && !summary.contains('\n'), "{name}: {summary}");
        let example = &operation["requestBody"]["content"]["application/json"]["example"];
        assert!(example.is_object(), "{name} has no example: add one to examples.rs");
        let read = DynamicMessage::deserialize(method.input(), example.clone());
        assert!(read.is_ok(), "{name}: {read:?}");
        let role = identity::needed(&path(&method));
        let text = operation["description"].as_str().unwrap_or_default();
        assert!(
            role.is_none_or(|role| text.contains(&format!("Requires the role {}.", role.as_str()))),
            "{name}: {text}"
        );
    }
}

#[test]
fn every_reference_resolves() {
    let document = document(&api());
    let text = document.to_string();
    let references: Vec<_> = text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > 50);
    for reference in references {
        assert!(document.pointer(reference).is_some_and(Value::is_object), "{reference}");
    }
}

#[test]
fn store_schema_matches_its_json() {
    let document = document(&api());
    let store = &document["components"]["schemas"]["Store"]["properties"];
    insta::assert_snapshot!(format!(
        "{:#}",
        json!({
            "storeId": store["storeId"],
            "details": store["details"],
            "createTime": store["createTime"],
            "lastSequence": store["lastSequence"],
            "versions": store["versions"],
        })
    ));
    assert!(store["state"]["$ref"].is_string(), "{store}");
}
