-- crmctl:stage expand
-- Which Facebook page belongs to which tenant, and the token that may read its leads.

CREATE TABLE meta_pages (
  tenant_id int NOT NULL CONSTRAINT meta_pages_tenant_fkey REFERENCES tenants (id),
  page_id text NOT NULL CONSTRAINT meta_pages_page_filled CHECK (page_id <> ''),
  name text NOT NULL DEFAULT '',
  sealed_token bytea,
  token_expires_at timestamptz,
  status text NOT NULL DEFAULT 'active'
    CONSTRAINT meta_pages_status_known CHECK (status IN ('active', 'token_expired', 'access_revoked', 'unsubscribed')),
  subscribed_at timestamptz,
  last_lead_at timestamptz,
  watermark timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT meta_pages_pkey PRIMARY KEY (tenant_id, page_id),
  CONSTRAINT meta_pages_page_key UNIQUE (page_id)
);
COMMENT ON TABLE meta_pages IS 'Facebook pages; a page belongs to one tenant of the whole installation.';
COMMENT ON COLUMN meta_pages.sealed_token IS 'Page access token, encrypted by the server before it is stored.';
COMMENT ON COLUMN meta_pages.watermark IS 'Leads created before this are stored for certain; reconciliation starts an hour earlier.';

ALTER TABLE meta_pages ENABLE ROW LEVEL SECURITY;
ALTER TABLE meta_pages FORCE ROW LEVEL SECURITY;
CREATE POLICY meta_pages_tenant ON meta_pages TO crm_app
  USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int)
  WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int);

GRANT SELECT, INSERT, UPDATE, DELETE ON meta_pages TO crm_app;
