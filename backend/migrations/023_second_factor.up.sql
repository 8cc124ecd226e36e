-- crmctl:stage expand
-- The second factor of an account: the secret of its authenticator app, and codes to come in without the phone.

CREATE TABLE second_factors (
  tenant_id int NOT NULL,
  user_id uuid NOT NULL,
  secret bytea NOT NULL CONSTRAINT second_factors_secret_size CHECK (octet_length(secret) = 20),
  confirmed_at timestamptz,
  last_step bigint NOT NULL DEFAULT 0,
  recovery bytea[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT second_factors_pkey PRIMARY KEY (tenant_id, user_id),
  CONSTRAINT second_factors_user_fkey FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE second_factors IS 'Second factor per account (TOTP, RFC 6238); tenants.settings second_factor = ''ceo'' asks every CEO for one.';
COMMENT ON COLUMN second_factors.secret IS 'Shared with the authenticator app, 160 bits.';
COMMENT ON COLUMN second_factors.confirmed_at IS 'When a first code was right; null: shown, not asked for yet.';
COMMENT ON COLUMN second_factors.last_step IS 'Half minute of the last code that was taken: each works once.';
COMMENT ON COLUMN second_factors.recovery IS 'SHA-256 of each code to come in without the phone; gone once used.';

ALTER TABLE second_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE second_factors FORCE ROW LEVEL SECURITY;
CREATE POLICY second_factors_tenant ON second_factors TO crm_app
  USING (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int)
  WITH CHECK (tenant_id = NULLIF(current_setting('app.tenant_id', true), '')::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON second_factors TO crm_app;
