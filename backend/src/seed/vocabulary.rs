//! The words of the seed: names, countries, campaigns and what people say. Holds no logic.
//!
//! Length: word lists; there is nothing to split.

/// First names.
pub(crate) const FIRST_NAMES: &[&str] = &[
    "Sofía",
    "Valentina",
    "Camila",
    "Lucía",
    "María José",
    "Florencia",
    "Daniela",
    "Gabriela",
    "Agustina",
    "Ximena",
    "Paula",
    "Carolina",
    "Noelia",
    "Jimena",
    "Rocío",
    "Martín",
    "Santiago",
    "Matías",
    "Joaquín",
    "Nicolás",
    "Andrés",
    "Diego",
    "Julián",
    "Emiliano",
    "Tomás",
    "Ignacio",
    "Facundo",
    "Álvaro",
    "José Luis",
    "Ramiro",
    "Esteban",
    "Iván",
];

/// Family names.
pub(crate) const LAST_NAMES: &[&str] = &[
    "González",
    "Rodríguez",
    "Fernández",
    "López",
    "Martínez",
    "Sánchez",
    "Pérez",
    "Gómez",
    "Díaz",
    "Álvarez",
    "Romero",
    "Núñez",
    "Muñoz",
    "Ibáñez",
    "Castro",
    "Ortega",
    "Vega",
    "Molina",
    "Suárez",
    "Herrera",
    "Peña",
    "Cabrera",
    "Ríos",
    "Aguirre",
    "Benítez",
    "Quiroga",
    "Zúñiga",
    "Escobar",
    "Villalba",
    "Paredes",
];

/// Country prefix of a mobile number, digits after it, and how often it is drawn.
pub(crate) const PHONES: &[((&str, usize), u32)] = &[
    (("+54911", 8), 34),
    (("+549351", 7), 10),
    (("+52155", 8), 18),
    (("+52133", 8), 6),
    (("+346", 8), 10),
    (("+573", 9), 9),
    (("+569", 8), 7),
    (("+519", 8), 4),
    (("+5989", 7), 2),
];

/// Where people have their mail.
pub(crate) const MAIL_HOSTS: &[&str] =
    &["gmail.com", "hotmail.com", "outlook.es", "yahoo.com.ar", "icloud.com"];

/// One campaign with its ad set, ad and form.
pub(crate) struct Campaign {
    /// Last digits of its ids at Meta.
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) adset: &'static str,
    pub(crate) ad: &'static str,
    pub(crate) form: &'static str,
}

/// Campaigns and how often a lead comes from each.
pub(crate) const CAMPAIGNS: &[(&Campaign, u32)] = &[
    (
        &Campaign {
            number: 101,
            name: "Campaña Verano 2026",
            adset: "Mujeres 25-45 · AMBA",
            ad: "Video testimonio Sofía",
            form: "Formulario Verano: pedí tu asesoría",
        },
        34,
    ),
    (
        &Campaign {
            number: 102,
            name: "Black Friday 2026",
            adset: "Retargeting web 30 días",
            ad: "Carrusel -40 %",
            form: "Black Friday: lista anticipada",
        },
        26,
    ),
    (
        &Campaign {
            number: 103,
            name: "Lanzamiento Plan Pro",
            adset: "Emprendedores LATAM",
            ad: "Demo de 60 segundos",
            form: "Quiero una demo",
        },
        20,
    ),
    (
        &Campaign {
            number: 104,
            name: "Webinar Ventas por WhatsApp",
            adset: "Similares a clientes 2 %",
            ad: "Invitación del equipo",
            form: "Inscripción al webinar",
        },
        14,
    ),
    (
        &Campaign {
            number: 105,
            name: "Reactivación clientes 2025",
            adset: "Clientes inactivos",
            ad: "Te extrañamos",
            form: "Volvé con beneficio",
        },
        6,
    ),
];

/// Labels on leads.
pub(crate) const TAGS: &[&str] =
    &["urgente", "mayorista", "recomendado", "presupuesto alto", "volver a llamar", "empresa"];

/// Who says a line of a script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The person who may buy.
    Lead,
    /// The vendedor.
    Seller,
}
use Voice::{Lead, Seller};

/// Conversations as they go; `{lead}`, `{seller}` and `{campaign}` are filled in. A lead speaks first.
pub(crate) const SCRIPTS: &[&[(Voice, &str)]] = &[
    &[
        (Lead, "Hola! Vi el anuncio de {campaign} y quería más info"),
        (Seller, "¡Hola {lead}! Soy {seller}. Gracias por escribirnos, ¿qué te gustaría lograr?"),
        (Lead, "Tengo una tienda de ropa y contesto todo por WhatsApp, se me pierden clientes"),
        (Seller, "Te entiendo perfecto. ¿Cuántas consultas te llegan por día más o menos?"),
        (Lead, "Entre 40 y 60, los fines de semana más"),
        (Lead, "Somos dos personas contestando"),
        (Seller, "Para ese volumen te conviene el plan Equipo. ¿Te paso una propuesta con precios?"),
        (Lead, "Sí, dale. ¿Se puede pagar en cuotas?"),
        (Seller, "Sí, hasta 6 cuotas sin interés. Te la mando hoy mismo por acá"),
        (Lead, "Genial, la espero. Gracias!"),
        (Seller, "¡A vos! Cualquier duda me escribís, {lead}"),
    ],
    &[
        (Lead, "Buenas tardes, ¿cuánto sale el servicio?"),
        (Seller, "Buenas tardes {lead}, soy {seller}. Depende de cuántos vendedores sean, ¿me contás?"),
        (Lead, "Somos 5 en el equipo comercial"),
        (Seller, "Perfecto. Para 5 personas el plan mensual incluye soporte y capacitación"),
        (Lead, "¿Y si lo contrato por un año?"),
        (Seller, "Con el plan anual tenés dos meses bonificados"),
        (Lead, "Lo tengo que hablar con mi socio, ¿me podés llamar el jueves?"),
        (Seller, "Claro, ¿te queda bien a las 11?"),
        (Lead, "Mejor a las 15"),
        (Seller, "Agendado, jueves 15 h. ¡Hablamos!"),
    ],
    &[
        (Lead, "Hola, dejé mis datos en el formulario pero no me llamó nadie"),
        (Seller, "Hola {lead}, disculpá la demora. Soy {seller}, ya estoy con tu consulta"),
        (Lead, "No pasa nada. Quería saber si se integra con Instagram"),
        (Seller, "Sí, WhatsApp e Instagram llegan a la misma bandeja"),
        (Lead, "¿Y se pueden repartir los chats entre vendedores?"),
        (Seller, "Sí, por turnos o según la carga de cada uno. ¿Te muestro en una demo de 15 minutos?"),
        (Lead, "Mañana a la mañana puedo"),
        (Seller, "Te mando el enlace para las 10. ¡Gracias!"),
    ],
    &[
        (Lead, "Hola, ¿siguen con la promo de {campaign}?"),
        (Seller, "¡Hola {lead}! Sí, hasta fin de mes. ¿Es para vos o para tu empresa?"),
        (Lead, "Para la empresa, vendemos repuestos en Guadalajara"),
        (Seller, "Excelente. ¿Ya usan algún CRM?"),
        (Lead, "Una planilla compartida, un desastre jaja"),
        (Seller, "Jaja, nos pasa seguido. Importamos la planilla sin costo"),
        (Lead, "Ah buenísimo. ¿Me mandan el contrato?"),
        (Seller, "Te lo envío al correo en un rato, {lead}"),
        (Lead, "Recibido, lo firmo hoy"),
        (Seller, "¡Bienvenidos! Mañana arrancamos con la configuración"),
    ],
    &[
        (Lead, "Me interesa, pero me parece caro"),
        (Seller, "Gracias por la sinceridad, {lead}. ¿Con qué lo estás comparando?"),
        (Lead, "Con otra herramienta que me pasaron a mitad de precio"),
        (Seller, "¿Esa incluye los leads de Meta y las métricas de respuesta?"),
        (Lead, "No, eso no"),
        (Seller, "Probalo 14 días sin tarjeta y comparás con datos, ¿te parece?"),
        (Lead, "Ok, mandame el enlace"),
        (Seller, "Listo, te llegó al correo. En unos días te escribo para ver cómo va"),
    ],
];

/// What the bot answers by itself outside working hours.
pub(crate) const AUTO_REPLY: &str =
    "¡Gracias por tu mensaje! En breve te responde una persona de nuestro equipo.";

/// What a seller writes to a lead that fell silent.
pub(crate) const FOLLOW_UPS: &[&str] = &[
    "Hola {lead}, ¿pudiste revisar la información que te envié?",
    "Hola {lead}, soy {seller} otra vez. ¿Seguimos adelante con {campaign}?",
    "Buen día {lead}, quedo atento por si surgió alguna duda.",
    "{lead}, ¿te parece bien si hablamos esta semana?",
];
