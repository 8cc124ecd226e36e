-- Promise of 009_meta_ads, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY[
      'lead_submissions', 'meta_lead_inbox'] LOOP
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.' || item) AND relrowsecurity AND relforcerowsecurity) THEN
      RAISE EXCEPTION 'table `%` is missing or its row-level security is not forced', item;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = to_regclass('public.' || item) AND polname = item || '_tenant'
                   AND polcmd = '*' AND polroles = ARRAY['crm_app'::regrole::oid]
                   AND pg_get_expr(polqual, polrelid) LIKE '%app.tenant_id%'
                   AND pg_get_expr(polwithcheck, polrelid) LIKE '%app.tenant_id%') THEN
      RAISE EXCEPTION 'policy `%_tenant` is missing or was changed', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'leads.meta_lead_id'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || split_part(item, '.', 1))
                   AND attname = split_part(item, '.', 2) AND NOT attisdropped) THEN
      RAISE EXCEPTION 'column `%` is missing', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'leads_tenant_meta_lead_key', 'leads_tenant_meta_list_idx', 'lead_submissions_tenant_lead_idx',
      'lead_submissions_tenant_form_idx', 'meta_lead_inbox_tenant_lead_idx',
      'meta_lead_inbox_tenant_state_idx', 'meta_lead_inbox_open_idx', 'lead_submissions_pkey',
      'lead_submissions_leadgen_key', 'meta_lead_inbox_pkey', 'meta_lead_inbox_leadgen_key'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'lead_submissions_lead_fkey', 'meta_lead_inbox_tenant_fkey', 'meta_lead_inbox_lead_fkey',
      'meta_lead_inbox_state_known'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'lead_submissions SELECT', 'lead_submissions INSERT', 'meta_lead_inbox SELECT',
      'meta_lead_inbox UPDATE'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
END
$$;
