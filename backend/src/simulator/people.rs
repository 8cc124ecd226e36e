//! Who sends forms and what they write: people with a number or an address of their own, who write it differently each
//! time, and Meta's made-up person. Which forms are of one person is known here, and told by the ledger.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::seed::Dice;

/// Of 100 forms, how many are sent by somebody who sent one before.
const KNOWN_PERCENT: u32 = 20;
/// Of 100 forms, how many Meta's tools make up.
const TEST_PERCENT: u32 = 2;
const FIRST_NAMES: [&str; 10] =
    ["Sofía", "Mateo", "Valentina", "Joaquín", "Camila", "Benjamín", "Lucía", "Thiago", "Martina", "Íñigo"];
const LAST_NAMES: [&str; 8] =
    ["Paz", "Gómez Díaz", "Fernández", "Núñez", "Romero", "Álvarez", "De la Fuente", "Ibáñez"];
const CITIES: [&str; 4] = ["Córdoba", "Rosario", "Mendoza", "La Plata"];

/// A person as the ledger shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerPerson {
    /// Their number in E.164, when they have one.
    pub phone: Option<String>,
    /// Their address, lower case, when they have one.
    pub email: Option<String>,
    /// Whether Meta's tools made them up.
    pub is_test: bool,
    /// Ids of the forms they sent, in order.
    pub submissions: Vec<String>,
}

/// A form as the ledger shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerSubmission {
    /// Its id.
    pub leadgen_id: String,
    /// The form.
    pub form_id: String,
    /// When it was sent.
    pub created_time: DateTime<Utc>,
    /// How often the Graph API has given it away.
    pub fetched: u32,
    /// How many webhooks have named it.
    pub told: u32,
}

/// Somebody.
#[derive(Debug, Clone)]
struct Person {
    first: &'static str,
    last: &'static str,
    /// Eight digits behind the area code.
    number: Option<String>,
    email: Option<String>,
    is_test: bool,
    submissions: Vec<String>,
}

/// A form that was sent.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) shown: LedgerSubmission,
    /// `field_data`, as Meta gives it.
    pub(super) fields: Value,
}

/// Everybody.
#[derive(Debug, Default)]
pub(super) struct People {
    all: Vec<Person>,
    /// Where Meta's made-up person stands.
    made_up: Option<usize>,
}

impl People {
    /// Somebody sends a form.
    pub(super) fn send(&mut self, dice: &mut Dice, id: String, form_id: String, at: DateTime<Utc>) -> Form {
        let who = self.who(dice);
        let person = &mut self.all[who];
        person.submissions.push(id.clone());
        let fields = if person.is_test { made_up() } else { person.fields(dice) };
        let shown = LedgerSubmission { leadgen_id: id, form_id, created_time: at, fetched: 0, told: 0 };
        Form { shown, fields }
    }

    fn who(&mut self, dice: &mut Dice) -> usize {
        if dice.chance(TEST_PERCENT) {
            return *self.made_up.get_or_insert_with(|| {
                self.all.push(Person::made_up());
                self.all.len() - 1
            });
        }
        let real = self.all.iter().filter(|person| !person.is_test).count();
        if real > 0 && dice.chance(KNOWN_PERCENT) {
            let index = usize::try_from(dice.between(0, self.all.len() as i64 - 1)).unwrap_or(0);
            if !self.all[index].is_test {
                return index;
            }
        }
        let person = Person::new(dice, self.all.len());
        self.all.push(person);
        self.all.len() - 1
    }

    /// Everybody as the ledger shows them.
    pub(super) fn shown(&self) -> Vec<LedgerPerson> {
        let shown = |person: &Person| LedgerPerson {
            phone: person.number.as_ref().map(|number| format!("+54911{number}")),
            email: person.email.clone(),
            is_test: person.is_test,
            submissions: person.submissions.clone(),
        };
        self.all.iter().map(shown).collect()
    }
}

impl Person {
    /// One in ten has no number; those have an address, which then says who they are.
    fn new(dice: &mut Dice, index: usize) -> Self {
        let has_number = !dice.chance(10);
        let has_address = !has_number || dice.chance(85);
        let (first, last) = (*dice.pick(&FIRST_NAMES), *dice.pick(&LAST_NAMES));
        // The index in it makes it nobody else's.
        let number = format!("{}{:05}", dice.between(300, 699), index % 100_000);
        Self {
            first,
            last,
            number: has_number.then_some(number),
            email: has_address.then(|| format!("persona{index}@example.com")),
            is_test: false,
            submissions: vec![],
        }
    }

    fn made_up() -> Self {
        let email = Some("test@fb.com".to_owned());
        Self { first: "", last: "", number: None, email, is_test: true, submissions: vec![] }
    }

    /// Their answers, never twice written in the same way.
    fn fields(&self, dice: &mut Dice) -> Value {
        let mut fields = Vec::new();
        if dice.chance(80) {
            fields.push(json!({ "name": "full_name", "values": [format!("{} {}", self.first, self.last)] }));
        } else {
            fields.push(json!({ "name": "first_name", "values": [self.first] }));
            fields.push(json!({ "name": "last_name", "values": [self.last] }));
        }
        if let Some(number) = &self.number {
            let (a, b) = number.split_at(4);
            let written = match dice.between(0, 4) {
                0 => format!("+54911{number}"),
                1 => format!("+54 9 11 {a}-{b}"),
                2 => format!("+54 11 15 {a}-{b}"),
                3 => format!("011 {a} {b}"),
                _ => format!("(011) 15-{a}-{b}"),
            };
            fields.push(json!({ "name": "phone_number", "values": [written] }));
        }
        // Who has a number leaves the address out now and then.
        if let Some(email) = self.email.as_ref().filter(|_| self.number.is_none() || dice.chance(80)) {
            let written = if dice.chance(50) { email.clone() } else { format!(" {}", email.to_uppercase()) };
            fields.push(json!({ "name": "email", "values": [written] }));
        }
        fields.push(json!({ "name": "¿en_qué_ciudad?", "values": [dice.pick(&CITIES)] }));
        match dice.between(0, 3) {
            0 => fields.push(json!({ "name": "¿qué_le_interesa?", "values": ["precio", "plazos"] })),
            1 => fields.push(json!({ "name": "comentario", "values": [] })),
            2 => fields.push(json!({ "name": "comentario", "values": [""] })),
            _ => {}
        }
        Value::Array(fields)
    }
}

/// What Meta's tool for test leads sends.
fn made_up() -> Value {
    json!([
        { "name": "full_name", "values": ["<test lead: dummy data for full_name>"] },
        { "name": "phone_number", "values": ["<test lead: dummy data for phone_number>"] },
        { "name": "email", "values": ["test@fb.com"] },
    ])
}
