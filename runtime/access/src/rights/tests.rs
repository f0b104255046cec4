use std::collections::BTreeMap;

use airlock_model::Limit;
use proptest::{prelude::*, sample::subsequence};

use super::*;
use crate::identity::identity_for_tests;

fn names(names: &[&str]) -> Functions {
    match names {
        ["*"] => Functions::All,
        names => Functions::Named(names.iter().map(|name| name.parse().unwrap()).collect()),
    }
}

fn scopes(text: &str) -> Vec<Scope> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| word.parse().unwrap()).collect()
}

fn rule(group: &str, functions: &[&str], scope: &str) -> AccessRule {
    AccessRule {
        place: format!("identity.access of {group}"),
        provider: None,
        member: Member::Group(group.to_owned()),
        environments: vec!["dev".parse().unwrap()],
        functions: names(functions),
        scopes: scopes(scope),
        limits: LimitCaps::default(),
    }
}

fn of(groups: &[&str]) -> Identity {
    identity_for_tests("https://login.example", "ada", groups)
}

fn dev() -> EnvironmentName {
    "dev".parse().unwrap()
}

#[test]
fn rules_hold_for_their_members_in_their_environments_alone() {
    let mut by_subject = rule("x", &["a"], "db:read");
    by_subject.member = Member::Subject("ada".to_owned());
    let mut elsewhere = rule("g", &["a"], "db:read");
    elsewhere.provider = Some("https://other.example".to_owned());
    let rules = [rule("g", &["a"], "db:read"), rule("h", &["b"], "db:write"), by_subject, elsewhere];
    let identity = of(&["g"]);
    let rights = Rights::of(&identity, &rules, &dev()).unwrap();
    assert_eq!(rights.places().collect::<Vec<_>>(), ["identity.access of g", "identity.access of x"]);
    assert!(Rights::of(&identity, &rules, &"prod".parse().unwrap()).is_none());
    assert!(Rights::of(&of(&["nobody"]), &rules[..2], &dev()).is_none());
}

/// The trap of adding rules up: read on everything and write for one function must not become write for everything.
#[test]
fn rights_for_one_function_do_not_leak_to_another() {
    let rules = [rule("g", &["a"], "db:read db:write"), rule("g", &["b"], "db:read audit:read")];
    let identity = of(&["g"]);
    let rights = Rights::of(&identity, &rules, &dev()).unwrap();
    let both = rights.select(None).unwrap();
    assert_eq!((both.functions, both.scopes), (names(&["a", "b"]), scopes("db:read audit:read")));
    let one = rights.select(Some(&names(&["a"]))).unwrap();
    assert_eq!(one.scopes, scopes("db:read db:write audit:read"));
    let other = rights.select(Some(&names(&["b"]))).unwrap();
    assert_eq!(other.scopes, scopes("db:read audit:read"));
    for asked in [names(&["*"]), names(&["c"]), names(&["a", "c"])] {
        assert_eq!(rights.select(Some(&asked)).unwrap_err().reason, Reason::NotGranted);
    }
}

#[test]
fn the_tightest_limits_of_the_rules_that_count_hold() {
    let mut tight = rule("g", &["a"], "db:read");
    tight.limits.set(Limit::Fuel, 5.try_into().unwrap());
    let rules = [tight, rule("g", &["a"], "db:write"), rule("g", &["b"], "db:read")];
    let identity = of(&["g"]);
    let rights = Rights::of(&identity, &rules, &dev()).unwrap();
    assert_eq!(rights.select(Some(&names(&["a"]))).unwrap().limits.fuel.map(u64::from), Some(5));
    assert_eq!(rights.select(Some(&names(&["b"]))).unwrap().limits.fuel, None);
}

#[test]
fn whoever_acts_for_somebody_has_what_both_have() {
    let person = [rule("g", &["a"], "db:read db:write crm:GET:/a/*")];
    let agent = [rule("g", &["a"], "db:read crm:GET audit:read")];
    let identity = of(&["g"]);
    let select = |rules| Rights::of(&identity, rules, &dev()).unwrap().select(None).unwrap();
    let both = select(&person).meet(&select(&agent)).unwrap();
    assert_eq!(both.scopes, scopes("db:read crm:GET:/a/*"));
    let elsewhere = [rule("g", &["b"], "db:read")];
    assert_eq!(select(&person).meet(&select(&elsewhere)).unwrap_err().reason, Reason::NotGranted);
}

#[test]
fn less_can_be_asked_for_and_more_cannot() {
    let rules = [rule("g", &["*"], "db:read resource:edit")];
    let identity = of(&["g"]);
    let selected = Rights::of(&identity, &rules, &dev()).unwrap().select(None).unwrap();
    assert_eq!(selected.clone().with_scopes(Some(scopes("db:edit"))).unwrap().scopes, scopes("db:edit"));
    assert_eq!(selected.with_scopes(Some(scopes("db:write"))).unwrap_err().reason, Reason::NotGranted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever is selected, each pair of a function and a scope is given by one rule.
    #[test]
    fn every_pair_of_a_selection_is_given_by_a_rule(
        written in prop::collection::vec(
            (subsequence(vec!["a", "b", "c"], 0..=3), subsequence(vec!["db:read", "db:write", "db:edit", "function:deploy", "crm:GET:/a/*", "crm:GET"], 0..=6)),
            1..5,
        ),
        asked in prop::option::of(subsequence(vec!["a", "b", "c"], 1..=3)),
    ) {
        let rules: Vec<_> = written.iter().map(|(functions, words)| rule("g", functions, &words.join(" "))).collect();
        let identity = of(&["g"]);
        let rights = Rights::of(&identity, &rules, &dev()).unwrap();
        let asked = asked.map(|asked| names(&asked));
        let Ok(selection) = rights.select(asked.as_ref()) else { return Ok(()) };
        let Functions::Named(functions) = &selection.functions else { panic!("nobody has all") };
        let mut seen = BTreeMap::new();
        for function in functions {
            for scope in &selection.scopes {
                let is_given = rules.iter().any(|rule| {
                    rule.functions.cover(function) && rule.scopes.iter().any(|one| one.covers(scope))
                });
                prop_assert!(is_given, "{function} {scope}");
                seen.insert((function, scope.to_string()), ());
            }
        }
    }
}
