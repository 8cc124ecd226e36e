//! Tables and properties of decisions, without a database.

use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;

use super::*;
use crate::assignment::Subject;

fn seller(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn candidate(number: u128, open: i64, last_minutes: Option<i64>) -> Candidate {
    Candidate {
        seller_id: seller(number),
        name: format!("s{number}"),
        role: "setter".to_owned(),
        on_shift: true,
        open,
        today: 0,
        last: last_minutes.map(|minutes| (DateTime::<Utc>::UNIX_EPOCH + Duration::minutes(minutes), minutes)),
    }
}

fn rule(priority: i32, strategy: &str) -> Rule {
    Rule {
        id: Uuid::from_u128(1_000 + priority.unsigned_abs() as u128),
        name: strategy.to_owned(),
        priority,
        active: true,
        strategy: strategy.to_owned(),
        lead_sources: vec![],
        lead_statuses: vec![],
        seller_roles: vec!["setter".to_owned(), "closer".to_owned()],
        max_open: None,
        max_per_day: None,
    }
}

fn work() -> Work {
    Work {
        subject: Subject::Lead(Uuid::nil()),
        lead_source: Some("META_ADS".to_owned()),
        status: Some("new".to_owned()),
        known_by: None,
        released_by: None,
    }
}

fn chosen(decision: &Decision) -> Option<Uuid> {
    decision.chosen.map(|(_, seller)| seller)
}

fn reasons(decision: &Decision) -> Vec<&'static str> {
    decision.verdicts.iter().map(|verdict| verdict.reason).collect()
}

#[test]
fn each_strategy_picks_and_says_why() {
    let team = [candidate(1, 5, Some(10)), candidate(2, 2, Some(20)), candidate(3, 2, Some(15))];
    let known = Work { known_by: Some(seller(2)), ..work() };
    let stranger = Work { known_by: Some(seller(9)), ..work() };
    for (strategy, work, expected, words) in [
        ("round_robin", &work(), 1, ["longest_without", "not_their_turn", "not_their_turn"]),
        ("least_open", &work(), 3, ["more_open", "more_open", "fewest_open"]),
        ("sticky", &known, 2, ["known_by_other", "knows_them", "known_by_other"]),
        ("sticky", &stranger, 1, ["longest_without", "not_their_turn", "not_their_turn"]),
    ] {
        let decision = decide(&[rule(1, strategy)], &team, work);
        assert_eq!(chosen(&decision), Some(seller(expected)), "{strategy}");
        assert_eq!(reasons(&decision), words, "{strategy}");
    }
}

#[test]
fn who_never_got_any_comes_before_everybody() {
    let team = [candidate(1, 0, Some(10)), candidate(3, 9, None), candidate(2, 9, None)];
    assert_eq!(chosen(&decide(&[rule(1, "round_robin")], &team, &work())), Some(seller(2)));
}

#[test]
fn everybody_passed_over_has_a_reason() {
    let limits = Rule {
        max_open: Some(3),
        max_per_day: Some(2),
        seller_roles: vec!["setter".to_owned()],
        ..rule(1, "round_robin")
    };
    let team = [
        Candidate { role: "closer".to_owned(), on_shift: false, ..candidate(1, 0, None) },
        Candidate { on_shift: false, ..candidate(2, 9, None) },
        candidate(3, 3, None),
        Candidate { today: 2, ..candidate(4, 2, None) },
        candidate(5, 2, None),
    ];
    let work = Work { released_by: Some(seller(5)), ..work() };
    let decision = decide(std::slice::from_ref(&limits), &team, &work);
    assert_eq!(chosen(&decision), None);
    assert_eq!(reasons(&decision), ["other_role", "off_shift", "at_max_open", "at_max_per_day", "released"]);
    // One below each limit there is room.
    let team = [Candidate { today: 1, ..candidate(6, 2, None) }];
    assert_eq!(chosen(&decide(&[limits], &team, &work)), Some(seller(6)));
}

#[test]
fn the_next_rule_is_tried_when_the_first_has_nobody() {
    let full = Rule { max_open: Some(1), ..rule(1, "round_robin") };
    let other = Rule { lead_sources: vec!["REFERRAL".to_owned()], ..rule(2, "round_robin") };
    let rest = rule(3, "least_open");
    let unknown = rule(0, "of_the_future");
    let team = [candidate(1, 4, None)];
    let decision = decide(&[unknown, full, other, rest.clone()], &team, &work());
    assert_eq!(decision.chosen, Some((rest.id, seller(1))));
}

#[test]
fn a_rule_fits_by_source_and_status_and_a_stranger_only_one_that_asks_for_neither() {
    let meta = Rule { lead_sources: vec!["META_ADS".to_owned()], ..rule(1, "round_robin") };
    let fresh = Rule { lead_statuses: vec!["new".to_owned()], ..rule(1, "round_robin") };
    let any = rule(1, "round_robin");
    for (rule, source, status, fits) in [
        (&meta, Some("META_ADS"), Some("won"), true),
        (&meta, Some("ORGANIC"), Some("new"), false),
        (&meta, None, None, false),
        (&fresh, Some("ORGANIC"), Some("new"), true),
        (&fresh, Some("ORGANIC"), Some("contacted"), false),
        (&fresh, None, None, false),
        (&any, None, None, true),
    ] {
        assert_eq!(rule.fits(source, status), fits, "{source:?} {status:?}");
    }
}

/// Hands out `works` pieces one after the other, as the queue does.
fn hand_out(strategy: &str, team: &mut [Candidate], works: i64) -> Vec<Uuid> {
    let rules = [rule(1, strategy)];
    (1..=works)
        .filter_map(|turn| {
            let seller = chosen(&decide(&rules, team, &work()))?;
            let at = DateTime::<Utc>::UNIX_EPOCH + Duration::days(1_000) + Duration::minutes(turn);
            team.iter_mut().find(|one| one.seller_id == seller)?.took_one(at, turn);
            Some(seller)
        })
        .collect()
}

fn teams() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (0_i64..20, proptest::option::of(0_i64..1_000), any::<bool>());
    proptest::collection::vec(one, 1..8).prop_map(|team| {
        let numbered = (1_u128..).zip(team);
        numbered
            .map(|(number, (open, last, on_shift))| Candidate { on_shift, ..candidate(number, open, last) })
            .collect()
    })
}

proptest! {
    #[test]
    fn turns_are_fair_among_those_who_work(mut team in teams(), rounds in 1_i64..5) {
        let working = team.iter().filter(|one| one.on_shift).count();
        let works = rounds * i64::try_from(working).unwrap();
        let given = hand_out("round_robin", &mut team, works);
        for one in &team {
            let got = given.iter().filter(|seller| **seller == one.seller_id).count();
            prop_assert_eq!(i64::try_from(got).unwrap(), if one.on_shift { rounds } else { 0 });
        }
    }

    #[test]
    fn by_load_nobody_gets_more_while_somebody_has_less(mut team in teams(), works in 1_i64..60) {
        let before = team.clone();
        hand_out("least_open", &mut team, works);
        let most = team.iter().zip(&before).filter(|(after, before)| after.open > before.open).map(|(one, _)| one.open).max();
        let least = team.iter().filter(|one| one.on_shift).map(|one| one.open).min();
        if let (Some(most), Some(least)) = (most, least) {
            prop_assert!(most - least <= 1, "{most} {least}");
        }
    }

    #[test]
    fn whoever_is_chosen_could_take_it_and_is_the_only_one(
        team in teams(), max_open in 1_i32..20, known in 0_u128..9, released in 0_u128..9, name in 0_usize..3,
    ) {
        let limited = Rule { max_open: Some(max_open), ..rule(1, strategy::names()[name]) };
        let work = Work { known_by: Some(seller(known)), released_by: Some(seller(released)), ..work() };
        let decision = decide(std::slice::from_ref(&limited), &team, &work);
        prop_assert_eq!(decision.verdicts.len(), team.len());
        let somebody = team.iter().any(|one| limited.refuses_for(one, &work).is_none());
        prop_assert_eq!(decision.chosen.is_some(), somebody);
        prop_assert_eq!(decision.verdicts.iter().filter(|verdict| verdict.chosen).count(), usize::from(somebody));
        for (one, verdict) in team.iter().zip(&decision.verdicts) {
            prop_assert!(!verdict.reason.is_empty());
            if verdict.chosen {
                prop_assert!(one.on_shift && one.open < i64::from(max_open) && one.seller_id != seller(released));
            }
        }
    }
}
