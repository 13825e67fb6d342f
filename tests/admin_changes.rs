//! How changes are made by the admin API: once, together, and seen by the next read on any node.

use serde_json::json;

use crate::rig::{Account, shared};

#[test]
fn a_repeated_request_is_made_once_and_another_body_under_its_id_is_refused() {
    let shared = shared();
    let account = Account::new(&shared);
    let id = "00112233445566778899aabbccddee01";
    let spec = json!({"enabled": true, "home": account.spec["home"]});
    let first = shared
        .api(0)
        .put_with(&account.path(), &[("x-request-id", id)], &spec)
        .ok()
        .revision();
    for at in [0, 1, 2] {
        let again = shared
            .api(at)
            .put_with(&account.path(), &[("x-request-id", id)], &spec)
            .ok();
        assert_eq!(again.revision(), first, "at node {at}");
    }
    let other = json!({"enabled": false, "home": account.spec["home"]});
    shared
        .api(1)
        .put_with(&account.path(), &[("x-request-id", id)], &other)
        .problem(&[422]);
    assert_eq!(shared.api(2).get(&account.path()).json()["spec"]["enabled"], true);
    // Once the object was changed by others, the old request is still the old request.
    shared.api(0).put(&account.path(), &other).ok();
    let late = shared
        .api(2)
        .put_with(&account.path(), &[("x-request-id", id)], &spec)
        .ok();
    assert_eq!(late.revision(), first);
    assert_eq!(shared.api(2).get(&account.path()).json()["spec"]["enabled"], false);
}

#[test]
fn several_objects_are_changed_together_or_not_at_all() {
    let shared = shared();
    let (one, two) = (Account::new(&shared), Account::new(&shared));
    let object = |account: &Account, storage: &str| json!({"kind": "account", "name": account.name, "spec": {"home": {"storage": storage, "folder": "/x"}}});
    let api = shared.api(1);
    api.post(
        "/api/v1/apply",
        &json!({"objects": [object(&one, "files"), object(&two, "nowhere")]}),
    )
    .problem(&[422]);
    assert_eq!(api.get(&one.path()).status, 404);
    api.post(
        "/api/v1/apply",
        &json!({"objects": [object(&one, "files"), object(&two, "files")]}),
    )
    .ok();
    assert_eq!(shared.api(2).get(&one.path()).status, 200);
    let deletes = json!([{"kind": "account", "name": one.name}, {"kind": "account", "name": two.name}]);
    api.post("/api/v1/apply", &json!({"objects": [], "deletes": deletes}))
        .ok();
    assert_eq!(shared.api(0).get(&two.path()).status, 404);
}

#[test]
fn a_token_ends_with_its_administrator_on_every_node() {
    let shared = shared();
    let api = shared.api(0);
    let name = "ends-soon";
    let administrator = format!("/api/v1/administrator/{name}");
    api.put(&administrator, &json!({"role": "operator"})).ok();
    let made = api
        .put(&format!("/api/v1/api-token/{name}"), &json!({"administrator": name}))
        .ok()
        .json();
    let secret = made["secrets"][0]["secret"].as_str().unwrap().to_owned();
    for at in [0, 1, 2] {
        assert_eq!(
            shared.api(at).with_token(Some(&secret)).get("/api/v1/account").status,
            200
        );
    }
    let change = format!("{administrator}?wait=enforced");
    api.put(&change, &json!({"role": "operator", "enabled": false}))
        .enforced();
    for at in [0, 1, 2] {
        shared
            .api(at)
            .with_token(Some(&secret))
            .get("/api/v1/account")
            .problem(&[401]);
    }
    api.delete(&format!("/api/v1/api-token/{name}")).ok();
    api.delete(&administrator).ok();
}

#[test]
fn a_read_sees_a_change_that_another_node_has_just_answered() {
    let shared = shared();
    let account = Account::new(&shared);
    for round in 1..=20_u32 {
        let (writer, reader) = (round as usize % 3, (round as usize + 1) % 3);
        let spec = json!({"sessions_max": round});
        let revision = shared.api(writer).put(&account.path(), &spec).ok().revision();
        let seen = shared.api(reader).get(&account.path()).ok().json();
        assert_eq!(seen["spec"]["sessions_max"], round);
        let local = format!("{}?consistency=local&min_revision={revision}", account.path());
        let other = (round as usize + 2) % 3;
        assert_eq!(shared.api(other).get(&local).ok().json()["spec"]["sessions_max"], round);
    }
}
