-- crmctl:stage expand
-- Which campaign, ad set, ad and form brought a lead: ids and names as Meta gave them at the time.

ALTER TABLE leads
  ADD COLUMN meta_campaign_id text,
  ADD COLUMN meta_campaign_name text,
  ADD COLUMN meta_adset_id text,
  ADD COLUMN meta_adset_name text,
  ADD COLUMN meta_ad_id text,
  ADD COLUMN meta_ad_name text,
  ADD COLUMN meta_form_id text,
  ADD COLUMN meta_form_name text;
COMMENT ON COLUMN leads.meta_campaign_name IS 'Name when the lead arrived; renaming the campaign later does not rewrite history.';
CREATE INDEX leads_tenant_campaign_idx ON leads (tenant_id, meta_campaign_id, created_at DESC, id DESC) WHERE meta_campaign_id IS NOT NULL;
CREATE INDEX leads_tenant_form_idx ON leads (tenant_id, meta_form_id, created_at DESC, id DESC) WHERE meta_form_id IS NOT NULL;
CREATE INDEX leads_tenant_adset_idx ON leads (tenant_id, meta_adset_id) WHERE meta_adset_id IS NOT NULL;
CREATE INDEX leads_tenant_ad_idx ON leads (tenant_id, meta_ad_id) WHERE meta_ad_id IS NOT NULL;
