-- crmctl:stage expand
-- Intake of Meta's lead forms: how each lead was told of, the forms of a page and how far each was read, and the gate
-- through which the webhook stores and the worker claims before a tenant is known.

ALTER TABLE meta_lead_inbox
  ADD COLUMN submitted_at timestamptz,
  ADD COLUMN webhook_at timestamptz DEFAULT now(),
  ADD COLUMN answer jsonb;
COMMENT ON COLUMN meta_lead_inbox.reason IS 'Why it failed, or what it waits for: unknown_page while no tenant has its page.';
COMMENT ON COLUMN meta_lead_inbox.submitted_at IS 'When the form was sent, as Meta says.';
COMMENT ON COLUMN meta_lead_inbox.webhook_at IS 'When the webhook told of it first; null: only reconciliation found it.';
COMMENT ON COLUMN meta_lead_inbox.answer IS 'What the Graph API answered, from fetched until mapped; then it is in lead_submissions.';
-- Rows that are there were told by the webhook; from now on it says so itself.
ALTER TABLE meta_lead_inbox ALTER COLUMN webhook_at DROP DEFAULT;

CREATE INDEX meta_lead_inbox_tenant_page_idx ON meta_lead_inbox (tenant_id, page_id, received_at DESC);
CREATE INDEX meta_lead_inbox_tenant_form_idx ON meta_lead_inbox (tenant_id, form_id, submitted_at)
  WHERE state IN ('received', 'fetched', 'failed');
COMMENT ON INDEX meta_lead_inbox_tenant_form_idx IS 'What of a form is not stored as a lead yet: the watermark stays before it.';
CREATE INDEX lead_submissions_tenant_page_idx ON lead_submissions (tenant_id, page_id, submitted_at DESC);
CREATE INDEX leads_tenant_mail_idx ON leads (tenant_id, email) WHERE email IS NOT NULL AND merged_into IS NULL;
COMMENT ON INDEX leads_tenant_mail_idx IS 'The person of an address; lower(email) is not leakproof, so under a policy its index is of no use.';

ALTER TABLE meta_pages
  ADD COLUMN status_since timestamptz,
  ADD COLUMN checked_at timestamptz,
  ADD COLUMN problem text;
COMMENT ON COLUMN meta_pages.status_since IS 'Since when the status is what it is, an episode is told once; null: since the page is known.';
COMMENT ON COLUMN meta_pages.checked_at IS 'When reconciliation last looked at token, access and subscription.';
COMMENT ON COLUMN meta_pages.problem IS 'What the last look stumbled over, without secrets; null: nothing.';

CREATE TABLE meta_forms (
  tenant_id int NOT NULL,
  page_id text NOT NULL,
  form_id text NOT NULL CONSTRAINT meta_forms_form_filled CHECK (form_id <> ''),
  name text NOT NULL DEFAULT '',
  status text NOT NULL DEFAULT '',
  watermark timestamptz NOT NULL,
  checked_at timestamptz,
  problem text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT meta_forms_pkey PRIMARY KEY (tenant_id, page_id, form_id),
  CONSTRAINT meta_forms_page_fkey FOREIGN KEY (tenant_id, page_id) REFERENCES meta_pages (tenant_id, page_id) ON DELETE CASCADE
);
COMMENT ON TABLE meta_forms IS 'Lead forms of a page, and how far each was read.';
COMMENT ON COLUMN meta_forms.status IS 'As Meta says: ACTIVE, ARCHIVED …';
COMMENT ON COLUMN meta_forms.watermark IS 'Leads sent up to here are stored for certain; reconciliation starts an hour earlier. Never moves back.';
COMMENT ON COLUMN meta_forms.problem IS 'Why the last reading did not come to its end; null: it did.';

ALTER TABLE meta_forms ENABLE ROW LEVEL SECURITY;
ALTER TABLE meta_forms FORCE ROW LEVEL SECURITY;
CREATE POLICY meta_forms_tenant ON meta_forms TO crm_app
  USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int)
  WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int);
GRANT SELECT, INSERT, UPDATE ON meta_forms TO crm_app;
-- What reconciliation finds goes the same way as what the webhook tells.
GRANT INSERT ON meta_lead_inbox TO crm_app;

-- The gate -----------------------------------------------------------------------------------------------

CREATE POLICY meta_lead_inbox_gate ON meta_lead_inbox TO crm_gate USING (true) WITH CHECK (true);
CREATE POLICY meta_pages_gate ON meta_pages FOR SELECT TO crm_gate USING (true);
GRANT SELECT, INSERT, UPDATE ON meta_lead_inbox TO crm_gate;
GRANT SELECT (tenant_id, page_id) ON meta_pages TO crm_gate;

CREATE FUNCTION crm_meta_store(notices jsonb) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH told AS (
    INSERT INTO public.meta_lead_inbox AS i
      (tenant_id, leadgen_id, page_id, form_id, change, submitted_at, webhook_at, reason, not_before)
    SELECT p.tenant_id, n.leadgen_id, n.page_id, n.form_id, n.change, n.submitted_at, now(),
           CASE WHEN p.tenant_id IS NULL THEN 'unknown_page' END,
           CASE WHEN p.tenant_id IS NULL THEN 'infinity' ELSE now() END
    FROM (SELECT DISTINCT ON (leadgen_id) leadgen_id, page_id, form_id, submitted_at, change
          FROM jsonb_to_recordset(notices)
            AS r(leadgen_id text, page_id text, form_id text, submitted_at timestamptz, change jsonb)
          ORDER BY leadgen_id) n
    LEFT JOIN public.meta_pages p ON p.page_id = n.page_id
    -- Two webhooks with the same leads take them in the same order.
    ORDER BY n.leadgen_id
    ON CONFLICT (leadgen_id) DO UPDATE SET webhook_at = EXCLUDED.webhook_at WHERE i.webhook_at IS NULL
    RETURNING 1)
  SELECT count(*) FROM told
$$;
COMMENT ON FUNCTION crm_meta_store(jsonb) IS 'Stores what a webhook told, whatever the tenant; what was told before changes nothing. Gives how many were news.';

CREATE FUNCTION crm_meta_claim(row_limit int, lease interval)
RETURNS TABLE (tenant_id int, id bigint, leadgen_id text, page_id text, state text, attempts int)
LANGUAGE sql VOLATILE SECURITY DEFINER ROWS 16 SET search_path = pg_catalog, pg_temp
AS $$
  WITH due AS MATERIALIZED (
    SELECT c.id FROM public.meta_lead_inbox c
    WHERE c.state IN ('received', 'fetched', 'mapped') AND c.not_before <= now() AND c.tenant_id IS NOT NULL
    ORDER BY c.not_before, c.id LIMIT least(greatest(row_limit, 1), 100) FOR UPDATE SKIP LOCKED)
  UPDATE public.meta_lead_inbox i
  SET attempts = i.attempts + 1, not_before = clock_timestamp() + lease, updated_at = now()
  FROM due WHERE i.id = due.id
  RETURNING i.tenant_id, i.id, i.leadgen_id, i.page_id, i.state, i.attempts
$$;
COMMENT ON FUNCTION crm_meta_claim(int, interval) IS 'Takes due leads of all tenants for a time; skips what others take. Each is then worked on under its own app.tenant_id.';

CREATE FUNCTION crm_meta_adopt(page text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  WITH adopted AS (
    UPDATE public.meta_lead_inbox i SET tenant_id = p.tenant_id, reason = NULL, not_before = now(), updated_at = now()
    FROM public.meta_pages p
    WHERE p.page_id = page AND p.tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int
      AND i.page_id = p.page_id AND i.tenant_id IS NULL
    RETURNING 1)
  SELECT count(*) FROM adopted
$$;
COMMENT ON FUNCTION crm_meta_adopt(text) IS 'Gives leads that came before their page was known to the tenant of app.tenant_id, when the page is its own.';

REVOKE ALL ON FUNCTION crm_meta_store(jsonb), crm_meta_claim(int, interval), crm_meta_adopt(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION crm_meta_store(jsonb), crm_meta_claim(int, interval), crm_meta_adopt(text) TO crm_app;

-- A new owner must be allowed to create in the schema at this moment, and only at this moment.
GRANT CREATE ON SCHEMA public TO crm_gate;
ALTER FUNCTION crm_meta_store(jsonb) OWNER TO crm_gate;
ALTER FUNCTION crm_meta_claim(int, interval) OWNER TO crm_gate;
ALTER FUNCTION crm_meta_adopt(text) OWNER TO crm_gate;
REVOKE CREATE ON SCHEMA public FROM crm_gate;
