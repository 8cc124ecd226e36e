//! When a person wants to hear nothing: muted until a moment, or in their quiet hours, counted in their own zone. One
//! expression, for the row that is written and for the summary afterwards.

/// Whether the reader `u` (of tenant `t`, with settings `s`) wants silence now. Quiet hours from after until go over
/// midnight; equal ones are none.
macro_rules! is_quiet {
    () => {
        "(coalesce(s.mute_until > now(), false) OR coalesce(CASE \
    WHEN s.quiet_from < s.quiet_until THEN (now() AT TIME ZONE coalesce(u.time_zone, t.time_zone))::time >= s.quiet_from \
         AND (now() AT TIME ZONE coalesce(u.time_zone, t.time_zone))::time < s.quiet_until \
    WHEN s.quiet_from > s.quiet_until THEN (now() AT TIME ZONE coalesce(u.time_zone, t.time_zone))::time >= s.quiet_from \
         OR (now() AT TIME ZONE coalesce(u.time_zone, t.time_zone))::time < s.quiet_until \
    ELSE false END, false))"
    };
}
pub(super) use is_quiet;
