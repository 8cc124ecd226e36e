//! Working hours over midnight, over clock changes, and against a plain count of minutes.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const BUENOS_AIRES: Tz = chrono_tz::America::Argentina::Buenos_Aires;
const MADRID: Tz = chrono_tz::Europe::Madrid;

fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

fn hours(week: Value, zone: Tz) -> WorkingHours {
    WorkingHours::of(&json!({ "working_hours": week }), zone)
}

#[test]
fn the_start_is_in_and_the_end_is_not() {
    let office = hours(json!({ "thu": [["09:00", "13:00"], ["14:00", "24:00"]] }), BUENOS_AIRES);
    for (moment, works) in [
        ("2026-11-26T11:59:59Z", false),
        ("2026-11-26T12:00:00Z", true),
        ("2026-11-26T15:59:59Z", true),
        ("2026-11-26T16:00:00Z", false),
        ("2026-11-26T17:00:00Z", true),
        // 23:59:59 of Thursday, then Friday, which has none.
        ("2026-11-27T02:59:59Z", true),
        ("2026-11-27T03:00:00Z", false),
    ] {
        assert_eq!(office.contains(at(moment)), works, "{moment}");
    }
}

#[test]
fn a_night_shift_goes_on_after_midnight_of_its_own_day_only() {
    let night = hours(json!({ "thu": [["22:00", "06:00"]] }), BUENOS_AIRES);
    for (moment, works) in [
        ("2026-11-27T00:59:00Z", false), // Thursday 21:59
        ("2026-11-27T01:00:00Z", true),  // Thursday 22:00
        ("2026-11-27T03:00:00Z", true),  // Friday 00:00
        ("2026-11-27T08:59:59Z", true),  // Friday 05:59:59
        ("2026-11-27T09:00:00Z", false), // Friday 06:00
        ("2026-11-28T01:00:00Z", false), // Friday 22:00
        ("2026-11-26T03:00:00Z", false), // Thursday 00:00
    ] {
        assert_eq!(night.contains(at(moment)), works, "{moment}");
    }
    // From Sunday into Monday, over the end of the week.
    let sunday = hours(json!({ "sun": [["23:00", "01:00"]] }), BUENOS_AIRES);
    assert!(sunday.contains(at("2026-11-30T03:30:00Z")) && !sunday.contains(at("2026-11-24T02:30:00Z")));
    let due = night.after(at("2026-11-27T02:30:00Z"), Duration::hours(2));
    assert_eq!(due, at("2026-11-27T04:30:00Z"));
}

#[test]
fn clock_changes_move_no_boundary() {
    // Madrid: 02:00 becomes 03:00 on 2026-03-29, and 03:00 becomes 02:00 on 2026-10-25.
    let morning = hours(json!({ "sun": [["08:00", "12:00"]] }), MADRID);
    for (moment, works) in [
        ("2026-03-29T05:59:59Z", false),
        ("2026-03-29T06:00:00Z", true),
        ("2026-03-29T10:00:00Z", false),
        ("2026-10-25T06:59:59Z", false),
        ("2026-10-25T07:00:00Z", true),
        ("2026-10-25T11:00:00Z", false),
    ] {
        assert_eq!(morning.contains(at(moment)), works, "{moment}");
    }
    // A shift that begins in the hour that there is not begins with the next one there is.
    let gone = hours(json!({ "sun": [["02:30", "04:00"]] }), MADRID);
    assert!(!gone.contains(at("2026-03-29T00:59:59Z")) && gone.contains(at("2026-03-29T01:00:00Z")));
    // Over the night that is an hour longer.
    let night = hours(json!({ "sat": [["22:00", "06:00"]] }), MADRID);
    let start = at("2026-10-24T20:00:00Z");
    assert_eq!(night.after(start, Duration::hours(9)), at("2026-10-25T05:00:00Z"));
    assert!(!night.contains(at("2026-10-25T05:00:00Z")));
}

#[test]
fn spans_that_overlap_or_touch_count_once() {
    let double =
        hours(json!({ "thu": [["09:00", "12:00"], ["11:00", "13:00"], ["13:00", "14:00"]] }), BUENOS_AIRES);
    let start = at("2026-11-26T12:00:00Z");
    assert_eq!(double.after(start, Duration::hours(5)), start + Duration::hours(5));
    let night = hours(
        json!({ "wed": [["20:00", "10:00"]], "thu": [["09:00", "24:00"], ["23:00", "23:30"]] }),
        BUENOS_AIRES,
    );
    let start = at("2026-11-26T12:30:00Z");
    assert_eq!(night.after(start, Duration::hours(3)), start + Duration::hours(3));
}

#[test]
fn what_is_no_week_is_named() {
    for (given, part) in [
        (json!([]), "object"),
        (json!({ "lunes": [] }), "`lunes`"),
        (json!({ "mon": "always" }), "list of spans"),
        (json!({ "mon": [["09:00"]] }), "no span"),
        (json!({ "mon": [["9", "18:00"]] }), "no span"),
        (json!({ "mon": [["09:00", "09:00"]] }), "no span"),
        (json!({ "mon": [["24:00", "09:00"]] }), "no span"),
        (json!({ "mon": [["09:00", "25:00"]] }), "no span"),
    ] {
        let said = mistake(&given).unwrap_or_default();
        assert!(said.contains(part), "{given}: {said}");
    }
    for fine in [json!({}), json!({ "mon": [] }), json!({ "sun": [["22:00", "06:00"], ["00:00", "24:00"]] })]
    {
        assert_eq!(mistake(&fine), None, "{fine}");
    }
}

/// Minutes of the day after which something begins or ends, on a grid of half hours.
fn spans() -> impl Strategy<Value = Vec<(u32, u32)>> {
    let span = (0_u32..48, 1_u32..49).prop_filter("a span has a length", |(from, until)| from != until);
    proptest::collection::vec(span, 0..4)
}

fn text(half_hours: u32) -> String {
    format!("{:02}:{:02}", half_hours / 2, half_hours % 2 * 30)
}

proptest! {
    /// Every minute of a week is in the hours exactly when a plain look at the clock on the wall says so.
    #[test]
    fn hours_are_what_the_wall_clock_says(days in proptest::collection::vec(spans(), 7), offset in 0_i64..7 * 48) {
        let week: Map<String, Value> = DAYS.iter().zip(&days).map(|(day, spans)| {
            let spans: Vec<Value> = spans.iter().map(|(from, until)| json!([text(*from), text(*until)])).collect();
            ((*day).to_owned(), json!(spans))
        }).collect();
        let hours = hours(Value::Object(week), BUENOS_AIRES);
        // A Monday, 00:00 in Buenos Aires, and a quarter past the half hour.
        let moment = at("2026-11-23T03:00:00Z") + Duration::minutes(30 * offset + 15);
        let (day, half_hour) = (usize::try_from(offset / 48).unwrap(), u32::try_from(offset % 48).unwrap());
        let today = days[day].iter().any(|(from, until)| {
            if from < until { (*from..*until).contains(&half_hour) } else { half_hour >= *from }
        });
        let yesterday = days[(day + 6) % 7].iter().any(|(from, until)| from > until && half_hour < *until);
        prop_assert_eq!(hours.contains(moment), today || yesterday);
    }
}
