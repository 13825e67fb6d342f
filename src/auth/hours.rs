//! Allowed hours: whether a moment lies within them, in the time zone that they name. Pure but for the zone's rules.
//!
//! Ending what runs over is left to `judge`'s callers.

use crate::catalog::Hours;
use crate::clock::UnixMillis;

const MINUTES_OF_HOUR: u16 = 60;

/// Whether `now` lies within one of `hours`; none: always. An error says what stands against it: a zone that this
/// node does not know keeps everybody out rather than letting everybody in.
pub(super) fn within(hours: &[Hours], now: UnixMillis) -> Result<(), String> {
    if hours.is_empty() {
        return Ok(());
    }
    let mut complaint = "it is outside of the allowed hours".to_owned();
    for hours in hours {
        match local(&hours.zone, now) {
            Ok((day, minute)) if holds(hours, day, minute) => return Ok(()),
            Ok(_) => {}
            Err(reason) => complaint = reason,
        }
    }
    Err(complaint)
}

/// Day of the week (0 is Monday) and minute of the day in a zone.
fn local(zone: &str, now: UnixMillis) -> Result<(u8, u16), String> {
    let zone =
        jiff::tz::TimeZone::get(zone).map_err(|_| format!("the time zone `{zone}` is not known on this node"))?;
    let timestamp =
        jiff::Timestamp::from_millisecond(now.0).map_err(|_| "the clock of this node is out of range".to_owned())?;
    let local = timestamp.to_zoned(zone);
    let day = local.weekday().to_monday_zero_offset().unsigned_abs();
    let minute = u16::from(local.hour().unsigned_abs()) * MINUTES_OF_HOUR + u16::from(local.minute().unsigned_abs());
    Ok((day, minute))
}

/// `day` is 0 for Monday.
fn holds(hours: &Hours, day: u8, minute: u16) -> bool {
    let begins_on = |day: u8| hours.days >> day & 1 == 1;
    let day_before = (day + 6) % 7;
    if hours.from_minute < hours.to_minute {
        return begins_on(day) && (hours.from_minute..hours.to_minute).contains(&minute);
    }
    (begins_on(day) && minute >= hours.from_minute) || (begins_on(day_before) && minute < hours.to_minute)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hours_hold_on_their_days_over_midnight_and_in_their_zone() {
        let hours = |days: u8, from: u16, to: u16, zone: &str| Hours {
            days,
            from_minute: from * 60,
            to_minute: to * 60,
            zone: zone.to_owned(),
        };
        const MONDAY: u8 = 1;
        const SUNDAY: u8 = 1 << 6;
        const DAILY: u8 = 0x7f;
        let check = |hours: &[Hours], at: &str, holds: bool| {
            let now = UnixMillis::from_rfc3339(at).unwrap();
            assert_eq!(within(hours, now).is_ok(), holds, "{hours:?} at {at}");
        };
        // 2026-11-23 is a Monday.
        check(&[], "2026-11-23T12:00:00Z", true);
        check(&[hours(MONDAY, 8, 18, "UTC")], "2026-11-23T08:00:00Z", true);
        check(&[hours(MONDAY, 8, 18, "UTC")], "2026-11-23T07:59:59Z", false);
        check(&[hours(MONDAY, 8, 18, "UTC")], "2026-11-23T18:00:00Z", false);
        check(&[hours(MONDAY, 8, 18, "UTC")], "2026-11-24T12:00:00Z", false);
        check(&[hours(SUNDAY, 22, 6, "UTC")], "2026-11-22T23:00:00Z", true);
        check(&[hours(SUNDAY, 22, 6, "UTC")], "2026-11-23T05:59:00Z", true);
        check(&[hours(SUNDAY, 22, 6, "UTC")], "2026-11-22T05:00:00Z", false);
        check(&[hours(SUNDAY, 22, 6, "UTC")], "2026-11-23T23:00:00Z", false);
        check(&[hours(DAILY, 0, 24, "UTC")], "2026-11-23T23:59:59Z", true);
        check(&[hours(MONDAY, 8, 9, "Europe/Berlin")], "2026-11-23T07:30:00Z", true);
        check(&[hours(MONDAY, 8, 9, "Europe/Berlin")], "2026-07-20T06:30:00Z", true);
        check(&[hours(MONDAY, 8, 9, "Europe/Berlin")], "2026-07-20T07:30:00Z", false);
        check(
            &[hours(MONDAY, 8, 9, "UTC"), hours(MONDAY, 20, 21, "UTC")],
            "2026-11-23T20:30:00Z",
            true,
        );
        check(&[hours(DAILY, 0, 24, "Nowhere/Land")], "2026-11-23T12:00:00Z", false);
    }
}
