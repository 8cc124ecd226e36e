-- Undoes 020_seller_figures: facts and rollups are derived, so they go; what they were derived from stays.
DROP TABLE metrics_state;
DELETE FROM seller_metrics_daily;
DELETE FROM seller_metrics_hourly;
DELETE FROM seller_events;
DROP INDEX seller_metrics_daily_standing_idx;
DROP INDEX seller_metrics_daily_tenant_seller_idx;
ALTER TABLE seller_metrics_daily DROP CONSTRAINT seller_metrics_daily_key;
ALTER TABLE seller_metrics_daily ALTER COLUMN seller_id SET NOT NULL;
ALTER TABLE seller_metrics_daily ADD CONSTRAINT seller_metrics_daily_pkey PRIMARY KEY (tenant_id, seller_id, metric, day);
CREATE INDEX seller_metrics_daily_tenant_day_idx ON seller_metrics_daily (tenant_id, day);
COMMENT ON COLUMN seller_metrics_daily.seller_id IS NULL;
DROP INDEX seller_metrics_hourly_tenant_seller_idx;
ALTER TABLE seller_metrics_hourly DROP CONSTRAINT seller_metrics_hourly_key;
ALTER TABLE seller_metrics_hourly ALTER COLUMN seller_id SET NOT NULL;
ALTER TABLE seller_metrics_hourly ADD CONSTRAINT seller_metrics_hourly_pkey PRIMARY KEY (tenant_id, seller_id, metric, hour);
CREATE INDEX seller_metrics_hourly_tenant_hour_idx ON seller_metrics_hourly (tenant_id, hour);
COMMENT ON COLUMN seller_metrics_hourly.seller_id IS NULL;
REVOKE UPDATE, DELETE ON seller_events FROM crm_app;
DROP INDEX seller_events_tenant_conversation_idx;
DROP INDEX seller_events_tenant_lead_idx;
CREATE INDEX seller_events_tenant_lead_idx ON seller_events (tenant_id, lead_id);
CREATE INDEX seller_events_tenant_conversation_idx ON seller_events (tenant_id, conversation_id);
ALTER TABLE seller_events
  ADD CONSTRAINT seller_events_seller_fkey FOREIGN KEY (tenant_id, seller_id) REFERENCES users (tenant_id, id),
  ADD CONSTRAINT seller_events_lead_fkey FOREIGN KEY (tenant_id, lead_id) REFERENCES leads (tenant_id, id) ON DELETE CASCADE,
  ADD CONSTRAINT seller_events_conversation_fkey FOREIGN KEY (tenant_id, conversation_id) REFERENCES conversations (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE seller_events DROP CONSTRAINT seller_events_of_one;
ALTER TABLE seller_events ALTER COLUMN seller_id SET NOT NULL;
COMMENT ON TABLE seller_events IS 'What sellers did, append-only, written in the transaction that causes it.';
COMMENT ON COLUMN seller_events.natural_key IS 'Names the fact (for example first_response:{conversation}:{waiting_since}); the same fact is never stored twice.';
COMMENT ON COLUMN seller_events.seller_id IS NULL;
COMMENT ON COLUMN seller_events.value IS 'Seconds for response times, else null.';
