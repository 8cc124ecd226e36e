-- Promise of 021_meta_intake, checked on the catalogs; run in a transaction that is rolled back.
DO $$
DECLARE
  item text;
BEGIN
  FOREACH item IN ARRAY ARRAY['meta_forms'] LOOP
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
      'meta_lead_inbox.submitted_at', 'meta_lead_inbox.webhook_at', 'meta_lead_inbox.answer',
      'meta_pages.status_since', 'meta_pages.checked_at', 'meta_pages.problem', 'meta_forms.watermark',
      'meta_forms.problem'] LOOP
    IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('public.' || split_part(item, '.', 1))
                   AND attname = split_part(item, '.', 2) AND NOT attisdropped) THEN
      RAISE EXCEPTION 'column `%` is missing', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'meta_lead_inbox_tenant_page_idx', 'meta_lead_inbox_tenant_form_idx', 'lead_submissions_tenant_page_idx',
      'leads_tenant_mail_idx', 'meta_forms_pkey'] LOOP
    IF NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.' || item) AND indisvalid AND indisready) THEN
      RAISE EXCEPTION 'index `%` is missing or invalid', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['meta_forms_page_fkey', 'meta_forms_form_filled'] LOOP
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = item AND convalidated) THEN
      RAISE EXCEPTION 'constraint `%` is missing or not validated', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY[
      'meta_forms SELECT', 'meta_forms INSERT', 'meta_forms UPDATE', 'meta_lead_inbox INSERT'] LOOP
    IF NOT has_table_privilege('crm_app', split_part(item, ' ', 1), split_part(item, ' ', 2)) THEN
      RAISE EXCEPTION 'crm_app lacks the grant `%`', item;
    END IF;
  END LOOP;
  FOREACH item IN ARRAY ARRAY['meta_lead_inbox_gate', 'meta_pages_gate'] LOOP
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polname = item AND polroles = ARRAY['crm_gate'::regrole::oid]) THEN
      RAISE EXCEPTION 'policy `%` is missing', item;
    END IF;
  END LOOP;
  IF has_column_privilege('crm_gate', 'meta_pages', 'sealed_token', 'SELECT') THEN
    RAISE EXCEPTION 'crm_gate may read tokens';
  END IF;
  FOREACH item IN ARRAY ARRAY['crm_meta_store(jsonb)', 'crm_meta_claim(integer,interval)', 'crm_meta_adopt(text)'] LOOP
    IF NOT EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('public.' || item) AND prosecdef
                   AND proowner = 'crm_gate'::regrole AND proconfig @> ARRAY['search_path=pg_catalog, pg_temp']) THEN
      RAISE EXCEPTION 'function `%` is missing, not owned by crm_gate, or without a fixed search_path', item;
    END IF;
    IF NOT has_function_privilege('crm_app', 'public.' || item, 'EXECUTE') THEN
      RAISE EXCEPTION 'crm_app may not call `%`', item;
    END IF;
    IF EXISTS (SELECT FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
               WHERE p.oid = to_regprocedure('public.' || item) AND a.grantee = 0) THEN
      RAISE EXCEPTION 'everybody may call `%`', item;
    END IF;
  END LOOP;
END
$$;
