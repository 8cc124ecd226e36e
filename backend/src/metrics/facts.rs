//! What is true: the facts of conversations and leads, as one SQL. Only a human reply counts (`author = 'user'`, not
//! failed); bots, test leads and merged leads never do. A turn goes from the first unanswered message of the lead to the
//! reply; closing ends it without one, and after reopening the clock starts anew. A silence is a reply after which nobody
//! says a word for a day; it is due when the day is over, which may be tomorrow, and followed up when the next word is ours.

/// Of which conversations and leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// `$2` are the conversations, `$3` the leads, both `uuid[]`. A text of its own, so that its plan never scans all.
    Chosen,
    /// All of the tenant.
    All,
}

/// Common table expressions that end in `facts (kind, natural_key, seller_id, lead_id, conversation_id, value,
/// occurred_at)`; `$1` is the tenant.
pub(super) fn facts(of: Of) -> String {
    let (conversations, leads) = match of {
        Of::Chosen => ("c.id = ANY($2)", "l.id = ANY($3)"),
        Of::All => ("true", "true"),
    };
    FACTS.replace("{CONVERSATIONS}", conversations).replace("{LEADS}", leads)
}

const FACTS: &str = "\
chosen AS (
  SELECT c.id, c.lead_id, c.assigned_seller_id, c.waiting_since, c.last_message_at, c.closed_at, l.created_at AS lead_created_at
  FROM conversations c LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id
  WHERE c.tenant_id = $1 AND {CONVERSATIONS}
    AND (l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))),
timeline AS (
  SELECT c.id AS conversation_id, m.created_at AS at, 1 AS rank, m.id AS seq,
         CASE WHEN m.author = 'lead' THEN 'asked' ELSE 'answered' END AS kind, m.author_id AS person
  FROM chosen c JOIN messages m ON m.tenant_id = $1 AND m.conversation_id = c.id
  WHERE m.author = 'lead' OR (m.author = 'user' AND m.delivery <> 'failed')
  UNION ALL
  SELECT c.id, h.changed_at, 2, h.id, h.kind, NULL
  FROM chosen c JOIN conversation_history h ON h.tenant_id = $1 AND h.conversation_id = c.id),
cut AS (
  SELECT t.*, count(*) FILTER (WHERE kind <> 'asked') OVER w - (kind <> 'asked')::int AS turn,
         count(*) FILTER (WHERE kind = 'reopened') OVER w AS episode,
         lead(at) OVER w AS next_at, lead(kind) OVER w AS next_kind
  FROM timeline t
  WINDOW w AS (PARTITION BY conversation_id ORDER BY at, rank, seq ROWS UNBOUNDED PRECEDING)),
turns AS (
  SELECT conversation_id, turn, max(episode) AS episode, min(at) FILTER (WHERE kind = 'asked') AS asked_at,
         min(seq) FILTER (WHERE kind = 'asked') AS asked_id, max(at) FILTER (WHERE kind <> 'asked') AS ended_at,
         max(seq) FILTER (WHERE kind <> 'asked') AS ended_id,
         max(kind) FILTER (WHERE kind <> 'asked') AS ending, (array_agg(person) FILTER (WHERE kind = 'answered'))[1] AS person
  FROM cut GROUP BY conversation_id, turn),
silences AS (
  SELECT seq, person, conversation_id, at + interval '24 hours' AS due_at, coalesce(next_kind = 'answered', false) AS is_followed_up
  FROM cut WHERE kind = 'answered' AND (next_at IS NULL OR next_at > at + interval '24 hours')),
first_replies AS (
  SELECT DISTINCT ON (t.conversation_id, t.episode) t.conversation_id, t.episode, t.person, t.ended_at AS replied_at,
         c.lead_id, CASE WHEN t.asked_at IS NOT NULL THEN t.asked_at WHEN t.episode = 0 THEN c.lead_created_at END AS asked_at
  FROM turns t JOIN chosen c ON c.id = t.conversation_id
  WHERE t.ending = 'answered' AND (t.asked_at IS NOT NULL OR t.episode = 0)
  ORDER BY t.conversation_id, t.episode, t.turn),
first_responses AS (
  SELECT f.*, greatest(f.asked_at,
    (SELECT max(a.created_at) FROM assignment_log a WHERE a.tenant_id = $1 AND a.lead_id = f.lead_id
       AND a.to_seller_id = f.person AND a.created_at <= f.replied_at),
    (SELECT max(a.created_at) FROM assignment_log a WHERE a.tenant_id = $1 AND a.conversation_id = f.conversation_id
       AND a.to_seller_id = f.person AND a.created_at <= f.replied_at)) AS own_at
  FROM first_replies f WHERE f.asked_at <= f.replied_at),
counted_leads AS (
  SELECT l.*, s.is_open, s.is_won, s.is_lost FROM leads l JOIN lead_statuses s ON s.code = l.status
  WHERE l.tenant_id = $1 AND {LEADS} AND NOT l.is_test AND l.merged_into IS NULL),
assignments AS (
  SELECT a.id, a.lead_id, NULL::uuid AS conversation_id, a.from_seller_id, a.to_seller_id, a.created_at,
         CASE WHEN a.id = (SELECT min(o.id) FROM assignment_log o WHERE o.tenant_id = $1 AND o.lead_id = l.id)
              THEN l.created_at END AS born_at
  FROM counted_leads l JOIN assignment_log a ON a.tenant_id = $1 AND a.lead_id = l.id
  UNION ALL
  SELECT a.id, NULL, c.id, a.from_seller_id, a.to_seller_id, a.created_at, NULL
  FROM chosen c JOIN assignment_log a ON a.tenant_id = $1 AND a.conversation_id = c.id AND a.lead_id IS NULL),
facts (kind, natural_key, seller_id, lead_id, conversation_id, value, occurred_at) AS (
  SELECT 'response', 'response:' || asked_id, person, NULL::uuid, conversation_id,
         floor(extract(epoch FROM ended_at - asked_at))::bigint, ended_at
  FROM turns WHERE ending = 'answered' AND asked_at IS NOT NULL
  UNION ALL
  SELECT 'unanswered', 'unanswered:' || t.asked_id, c.assigned_seller_id, NULL, t.conversation_id, NULL, t.ended_at
  FROM turns t JOIN chosen c ON c.id = t.conversation_id WHERE t.ending = 'closed' AND t.asked_at IS NOT NULL
  UNION ALL
  SELECT 'first_response', 'first_response:' || conversation_id || ':' || episode, person, NULL, conversation_id,
         floor(extract(epoch FROM replied_at - asked_at))::bigint, replied_at
  FROM first_responses
  UNION ALL
  SELECT 'first_response_own', 'first_response_own:' || conversation_id || ':' || episode, person, NULL, conversation_id,
         floor(extract(epoch FROM replied_at - own_at))::bigint, replied_at
  FROM first_responses
  UNION ALL
  SELECT 'silence', 'silence:' || seq, person, NULL, conversation_id, NULL, due_at FROM silences
  UNION ALL
  SELECT 'followed_up', 'followed_up:' || seq, person, NULL, conversation_id, NULL, due_at FROM silences WHERE is_followed_up
  UNION ALL
  SELECT 'open', 'open:' || id, assigned_seller_id, NULL, id, NULL, last_message_at FROM chosen WHERE closed_at IS NULL
  UNION ALL
  SELECT 'waiting', 'waiting:' || id, assigned_seller_id, NULL, id, NULL, waiting_since FROM chosen WHERE waiting_since IS NOT NULL
  UNION ALL
  SELECT 'assigned', 'assigned:' || id, to_seller_id, lead_id, conversation_id,
         floor(extract(epoch FROM created_at - born_at))::bigint, created_at
  FROM assignments WHERE to_seller_id IS NOT NULL
  UNION ALL
  SELECT 'taken_away', 'taken_away:' || id, from_seller_id, lead_id, conversation_id, NULL, created_at
  FROM assignments WHERE from_seller_id IS NOT NULL
  UNION ALL
  SELECT 'lead', 'lead:' || id, assigned_seller_id, id, NULL, NULL, created_at FROM counted_leads
  UNION ALL
  SELECT 'lead_contacted', 'lead_contacted:' || id, assigned_seller_id, id, NULL, NULL, created_at
  FROM counted_leads WHERE first_response_at IS NOT NULL
  UNION ALL
  SELECT 'lead_won', 'lead_won:' || id, assigned_seller_id, id, NULL, NULL, created_at FROM counted_leads WHERE is_won
  UNION ALL
  SELECT 'won', 'won:' || id, assigned_seller_id, id, NULL, NULL, status_changed_at FROM counted_leads WHERE is_won
  UNION ALL
  SELECT 'lost', 'lost:' || id, assigned_seller_id, id, NULL, NULL, status_changed_at FROM counted_leads WHERE is_lost
  UNION ALL
  SELECT 'pipeline_' || lower(currency), 'pipeline:' || id, assigned_seller_id, id, NULL, (amount * 100)::bigint, created_at
  FROM counted_leads WHERE is_open AND amount > 0)";

/// A lead that counts, or a conversation without any; `l` is the lead.
const COUNTED: &str = "(l.id IS NULL OR (NOT l.is_test AND l.merged_into IS NULL))";

/// Messages, which are their own facts: `messages_counted (kind, seller_id, occurred_at, n)` within `condition` on `m`, `n`
/// of each quarter of an hour: days and hours of every zone begin with one. What a person sends is credited to them, what
/// a lead writes to nobody: it is a figure of the team.
pub(super) fn messages(condition: &str) -> String {
    format!(
        "messages_counted (kind, seller_id, occurred_at, n) AS ( \
           SELECT CASE WHEN m.author = 'lead' THEN 'received' ELSE 'sent' END, m.author_id, \
                  date_bin('15 minutes', m.created_at, '2000-01-01 00:00:00+00'), count(*)::int \
           FROM messages m JOIN conversations c ON c.tenant_id = m.tenant_id AND c.id = m.conversation_id \
           LEFT JOIN leads l ON l.tenant_id = c.tenant_id AND l.id = c.lead_id \
           WHERE m.tenant_id = $1 AND (m.author = 'lead' OR (m.author = 'user' AND m.delivery <> 'failed')) \
             AND {COUNTED} AND {condition} \
           GROUP BY 1, 2, 3)"
    )
}
