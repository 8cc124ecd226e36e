-- Undoes 015_seller_assignment: with it go rules, the assignment log, seller events and their figures.
DROP TABLE seller_metrics_daily;
DROP TABLE seller_metrics_hourly;
DROP TABLE seller_events;
DROP TABLE assignment_log;
DROP TABLE assignment_rules;
ALTER TABLE conversations DROP COLUMN assigned_at;
ALTER TABLE leads DROP COLUMN assigned_at;
