-- Undoes 011_meta_attribution: with it goes where leads came from; the leads stay.
DROP INDEX leads_tenant_ad_idx;
DROP INDEX leads_tenant_adset_idx;
DROP INDEX leads_tenant_form_idx;
DROP INDEX leads_tenant_campaign_idx;
ALTER TABLE leads
  DROP COLUMN meta_form_name,
  DROP COLUMN meta_form_id,
  DROP COLUMN meta_ad_name,
  DROP COLUMN meta_ad_id,
  DROP COLUMN meta_adset_name,
  DROP COLUMN meta_adset_id,
  DROP COLUMN meta_campaign_name,
  DROP COLUMN meta_campaign_id;
