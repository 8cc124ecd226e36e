//! The words of notifications, Spanish and English: a key and its parameters in, a title and a sentence out. Keys of
//! older releases stay readable: an unknown one falls back to its type.

use serde_json::Value;

/// Language of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locale {
    Spanish,
    English,
}

impl Locale {
    /// The language of `users.locale`.
    pub(crate) fn from_name(name: &str) -> Self {
        if name == "en" { Self::English } else { Self::Spanish }
    }
}

/// A title and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) title: String,
    pub(crate) body: String,
}

/// Key, then title and sentence in Spanish and in English. `{name}` is a parameter.
const TEXTS: &[(&str, [&str; 2], [&str; 2])] = &[
    (
        "unanswered.long",
        ["Sin respuesta", "{lead} espera respuesta hace más de {time}"],
        ["Unanswered", "{lead} has waited for more than {time}"],
    ),
    (
        "unanswered.warning",
        ["Responder pronto", "Queda poco tiempo para responder a {lead}"],
        ["Answer soon", "There is little time left to answer {lead}"],
    ),
    (
        "unanswered.late",
        ["Fuera de plazo", "{lead} debía tener respuesta a las {due}"],
        ["Overdue", "{lead} should have been answered by {due}"],
    ),
    (
        "hot_lead",
        ["Lead caliente", "{lead} escribió {messages} veces en 24 h"],
        ["Hot lead", "{lead} wrote {messages} times in 24 h"],
    ),
    (
        "followup.silent",
        ["Seguimiento pendiente", "{lead} está en silencio hace más de {time}"],
        ["Follow up", "{lead} has been silent for more than {time}"],
    ),
    (
        "followup.new",
        ["Lead sin contactar", "{lead} sigue en estado nuevo hace más de {time}"],
        ["Not contacted", "{lead} has been new for more than {time}"],
    ),
    (
        "followup.stranger",
        ["Conversación sin lead", "La conversación con {lead} está en silencio hace más de {time}"],
        ["No lead yet", "The conversation with {lead} has been silent for more than {time}"],
    ),
    (
        "performance.response",
        ["Tiempo de respuesta alto", "{seller} responde en {minutes} min de promedio"],
        ["Slow answers", "{seller} answers in {minutes} min on average"],
    ),
    (
        "performance.conversion",
        ["Conversión baja", "{seller} convierte el {percent} % de sus leads"],
        ["Low conversion", "{seller} converts {percent} % of their leads"],
    ),
    (
        "performance.active",
        ["Poca actividad", "{seller} tiene {active} conversaciones activas"],
        ["Little activity", "{seller} has {active} active conversations"],
    ),
    (
        "assignment.to_you",
        ["Nuevo lead asignado", "{lead} ahora es tuyo"],
        ["New lead for you", "{lead} is yours now"],
    ),
    (
        "assignment.to_seller",
        ["Lead asignado", "{lead} ahora es de {seller}"],
        ["Lead assigned", "{lead} now belongs to {seller}"],
    ),
    (
        "metric_alert.daily",
        ["Resumen del día", "{day}: {leads} leads nuevos, {won} ganados, {unanswered} sin respuesta"],
        ["Daily report", "{day}: {leads} new leads, {won} won, {unanswered} unanswered"],
    ),
    (
        "quiet.summary",
        ["Mientras no molestábamos", "Avisos recibidos en sus horas de silencio: {count}"],
        ["While it was quiet", "Notifications that came in your quiet hours: {count}"],
    ),
    (
        "meta_silent.token_short",
        [
            "Meta: token de corta duración",
            "El token de {page} vence {until}; genere uno de larga duración en Configuración › Meta",
        ],
        [
            "Meta: short-lived token",
            "The token of {page} ends {until}; make a long-lived one in Settings › Meta",
        ],
    ),
    (
        "meta_silent.token_expired",
        [
            "Meta: token vencido",
            "El token de {page} venció; vuelva a conectar la página en Configuración › Meta",
        ],
        ["Meta: expired token", "The token of {page} has expired; connect the page again in Settings › Meta"],
    ),
    (
        "meta_silent.access_revoked",
        [
            "Meta: sin acceso a los leads",
            "{page} no da acceso a sus leads; asigne el acceso en Meta Business › Acceso a clientes potenciales",
        ],
        [
            "Meta: no access to leads",
            "{page} gives no access to its leads; grant it in Meta Business › Leads access",
        ],
    ),
    (
        "meta_silent.unsubscribed",
        [
            "Meta: suscripción perdida",
            "{page} ya no avisa de sus leads; vuelva a suscribirla en Configuración › Meta",
        ],
        [
            "Meta: subscription lost",
            "{page} no longer tells of its leads; subscribe it again in Settings › Meta",
        ],
    ),
    (
        "meta_silent.webhook_failing",
        [
            "Meta: fallan los avisos",
            "{missed} leads de {page} llegaron solo por la revisión de cada 15 minutos; revise la dirección y el secreto del webhook en Meta for Developers",
        ],
        [
            "Meta: failing webhook",
            "{missed} leads of {page} came only by the check of every 15 minutes; look at the webhook's address and secret in Meta for Developers",
        ],
    ),
    (
        "meta_silent.no_leads",
        [
            "Meta: no llegan leads",
            "{page} no envía leads hace {hours} h, lo normal a esta hora son {usual}; revise la campaña y el formulario",
        ],
        [
            "Meta: no leads",
            "{page} has sent no leads for {hours} h, {usual} are usual at this hour; check campaign and form",
        ],
    ),
    // Keys that the demonstration data carries, with the little that it knows.
    (
        "notification.unanswered",
        ["Sin respuesta", "{lead} espera respuesta hace más de {hours} h"],
        ["Unanswered", "{lead} has waited for more than {hours} h"],
    ),
    ("notification.hot_lead", ["Lead caliente", "{lead} escribe mucho"], ["Hot lead", "{lead} writes a lot"]),
    (
        "notification.followup",
        ["Seguimiento pendiente", "{lead} espera noticias"],
        ["Follow up", "{lead} waits for news"],
    ),
    (
        "notification.assignment",
        ["Nuevo lead asignado", "{lead} ahora es tuyo"],
        ["New lead for you", "{lead} is yours now"],
    ),
    (
        "notification.metric_alert",
        ["Resumen del día", "El resumen de {episode} está listo"],
        ["Daily report", "The report of {episode} is ready"],
    ),
    (
        "notification.meta_silent",
        ["Meta: no llegan leads", "Revise la conexión con Meta en Configuración › Meta"],
        ["Meta: no leads", "Check the connection with Meta in Settings › Meta"],
    ),
];

/// What stands for a parameter that is not there.
const ABSENT: &str = "—";

/// The words for `key` in `locale`, filled with `params`.
pub(crate) fn render(key: &str, params: &Value, locale: Locale) -> Text {
    let known = TEXTS.iter().find(|(known, ..)| *known == key);
    let Some((_, spanish, english)) = known else {
        let title = if locale == Locale::English { "Notification" } else { "Notificación" };
        return Text { title: title.to_owned(), body: String::new() };
    };
    let [title, body] = if locale == Locale::English { english } else { spanish };
    Text { title: fill(title, params), body: fill(body, params) }
}

fn fill(template: &str, params: &Value) -> String {
    let mut filled = String::with_capacity(template.len() + 16);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(before);
        match params.get(name) {
            Some(Value::String(text)) if !text.is_empty() => filled.push_str(text),
            Some(Value::Number(number)) => filled.push_str(&number.to_string()),
            _ => filled.push_str(ABSENT),
        }
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_reader_gets_the_own_language() {
        let params = json!({ "lead": "Sofía Paz", "time": "4 h" });
        let spanish = render("unanswered.long", &params, Locale::from_name("es"));
        assert_eq!(spanish.body, "Sofía Paz espera respuesta hace más de 4 h");
        let english = render("unanswered.long", &params, Locale::from_name("en"));
        assert_eq!(english.body, "Sofía Paz has waited for more than 4 h");
    }

    #[test]
    fn what_is_missing_is_a_dash_and_braces_in_a_name_stay_text() {
        assert_eq!(render("assignment.to_you", &json!({}), Locale::Spanish).body, "— ahora es tuyo");
        let odd = json!({ "lead": "{hours}" });
        assert_eq!(render("assignment.to_you", &odd, Locale::Spanish).body, "{hours} ahora es tuyo");
        assert_eq!(render("of.the.future", &json!({}), Locale::English).title, "Notification");
    }

    #[test]
    fn every_text_has_the_same_parameters_in_both_languages() {
        for (key, spanish, english) in TEXTS {
            let parameters = |text: &str| {
                let mut names: Vec<String> = text
                    .split('{')
                    .skip(1)
                    .filter_map(|part| Some(part.split_once('}')?.0.to_owned()))
                    .collect();
                names.sort();
                names
            };
            for (a, b) in spanish.iter().zip(english) {
                assert_eq!(parameters(a), parameters(b), "{key}");
            }
        }
    }
}
