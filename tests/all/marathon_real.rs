//! The whole way to a Marathon whose tasks are real containers.

use crate::support::{journey, marathon_place::OnMarathon};

#[test]
fn the_shop_comes_to_marathon_serves_changes_and_goes() {
    let Some(place) = OnMarathon::new("the shop on a Marathon with real tasks", "whole") else { return };
    journey::whole(&place);
    let unknown = place.server.state().unknown.clone();
    assert!(unknown.is_empty(), "keys that no Marathon knows: {unknown:?}");
}

#[test]
fn a_killed_apply_to_marathon_is_run_again_real() {
    let Some(place) = OnMarathon::new("a killed apply to a Marathon with real tasks", "killed") else { return };
    journey::killed(&place);
}
