-- crmctl:stage expand
-- Figures from facts: what nobody owns counts too, and each tenant knows by which definition and in which zone its
-- rollups were made. The tables of 015 are empty before this migration; no release has written them.

ALTER TABLE seller_events ALTER COLUMN seller_id DROP NOT NULL;
ALTER TABLE seller_events ADD CONSTRAINT seller_events_of_one CHECK (num_nonnulls(lead_id, conversation_id) = 1);
-- What a fact is derived from has been checked already, and half a million turns were a million more checks.
ALTER TABLE seller_events
  DROP CONSTRAINT seller_events_seller_fkey,
  DROP CONSTRAINT seller_events_lead_fkey,
  DROP CONSTRAINT seller_events_conversation_fkey;
DROP INDEX seller_events_tenant_lead_idx;
DROP INDEX seller_events_tenant_conversation_idx;
CREATE INDEX seller_events_tenant_lead_idx ON seller_events (tenant_id, lead_id) WHERE lead_id IS NOT NULL;
CREATE INDEX seller_events_tenant_conversation_idx ON seller_events (tenant_id, conversation_id) WHERE conversation_id IS NOT NULL;
COMMENT ON TABLE seller_events IS 'Facts behind figures, each derived from leads, conversations and messages in the transaction that changes them, and taken back when it is no longer true.';
COMMENT ON COLUMN seller_events.natural_key IS 'Names the fact, as response:{first message of the turn}; the same fact is never stored twice.';
COMMENT ON COLUMN seller_events.seller_id IS 'Whom it is credited to; null: nobody.';
COMMENT ON COLUMN seller_events.value IS 'Seconds of a duration, hundredths of an amount, else null.';
GRANT UPDATE, DELETE ON seller_events TO crm_app;

ALTER TABLE seller_metrics_hourly DROP CONSTRAINT seller_metrics_hourly_pkey;
ALTER TABLE seller_metrics_hourly ALTER COLUMN seller_id DROP NOT NULL;
ALTER TABLE seller_metrics_hourly ADD CONSTRAINT seller_metrics_hourly_key UNIQUE NULLS NOT DISTINCT (tenant_id, hour, metric, seller_id);
DROP INDEX seller_metrics_hourly_tenant_hour_idx;
CREATE INDEX seller_metrics_hourly_tenant_seller_idx ON seller_metrics_hourly (tenant_id, seller_id, hour);
COMMENT ON COLUMN seller_metrics_hourly.seller_id IS 'Null: nobody.';

ALTER TABLE seller_metrics_daily DROP CONSTRAINT seller_metrics_daily_pkey;
ALTER TABLE seller_metrics_daily ALTER COLUMN seller_id DROP NOT NULL;
ALTER TABLE seller_metrics_daily ADD CONSTRAINT seller_metrics_daily_key UNIQUE NULLS NOT DISTINCT (tenant_id, day, metric, seller_id);
DROP INDEX seller_metrics_daily_tenant_day_idx;
CREATE INDEX seller_metrics_daily_tenant_seller_idx ON seller_metrics_daily (tenant_id, seller_id, day);
CREATE INDEX seller_metrics_daily_standing_idx ON seller_metrics_daily (tenant_id, metric, day) WHERE metric IN ('open', 'waiting');
COMMENT ON INDEX seller_metrics_daily_standing_idx IS 'What stands now, over all days, without reading what has happened.';
COMMENT ON COLUMN seller_metrics_daily.seller_id IS 'Null: nobody.';

CREATE TABLE metrics_state (
  tenant_id int CONSTRAINT metrics_state_pkey PRIMARY KEY CONSTRAINT metrics_state_tenant_fkey REFERENCES tenants (id),
  metrics_version int NOT NULL,
  time_zone text NOT NULL,
  rebuilt_at timestamptz NOT NULL DEFAULT now(),
  checked_at timestamptz NOT NULL DEFAULT now(),
  differences bigint NOT NULL DEFAULT 0 CONSTRAINT metrics_state_differences_counted CHECK (differences >= 0)
);
COMMENT ON TABLE metrics_state IS 'How a tenant''s rollups were made; no row: they were not, and figures come from the rows themselves.';
COMMENT ON COLUMN metrics_state.metrics_version IS 'Definition of the figures; a server with another one makes them anew.';
COMMENT ON COLUMN metrics_state.time_zone IS 'Zone the days were cut in; the tenant''s, until that changes.';
COMMENT ON COLUMN metrics_state.differences IS 'What the last check found and mended; 0 unless something is wrong.';

ALTER TABLE metrics_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE metrics_state FORCE ROW LEVEL SECURITY;
CREATE POLICY metrics_state_tenant ON metrics_state TO crm_app
  USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int)
  WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int);
GRANT SELECT, INSERT, UPDATE ON metrics_state TO crm_app;
