//! The edge's configuration as text. Pure; names no release.

use std::fmt::Write as _;

use secrecy::ExposeSecret;

use super::super::door::CANDIDATE_HEADER;
use super::super::names::{Kind, Names};
use super::{CERTIFICATE, Certificates, EdgeOptions, HTTP, HTTPS, KEY};
use crate::image::PORT;

/// Port that an address need not name, and that redirects lead to by themselves.
const USUAL_HTTPS: u16 = 443;

/// The whole configuration. Pure.
pub(super) fn caddyfile(names: &Names, options: &EdgeOptions) -> String {
    let candidate = options.candidate.expose_secret();
    // HTTP/3 would need a port that is not published.
    let mut text =
        String::from("{\n\tadmin off\n\tgrace_period 10s\n\tservers {\n\t\tprotocols h1 h2\n\t}\n");
    let _ = writeln!(text, "\thttp_port {HTTP}\n\thttps_port {HTTPS}\n\tstorage file_system /data");
    if options.certificates.is_none() {
        text.push_str("\tauto_https off\n");
    } else if options.https_port != USUAL_HTTPS {
        text.push_str("\tauto_https disable_redirects\n");
    }
    let _ = writeln!(
        text,
        "\tlog {{\n\t\toutput stdout\n\t\tformat filter {{\n\t\t\twrap json\n\t\t\tfields {{\n\t\t\t\t\
         request>headers>{} delete\n\t\t\t}}\n\t\t}}\n\t}}\n}}\n",
        canonical(CANDIDATE_HEADER)
    );
    for host in &options.hosts {
        if !options.certificates.is_none() && options.https_port != USUAL_HTTPS {
            let port = options.https_port;
            let _ = writeln!(text, "http://{host} {{\n\tredir https://{host}:{port}{{uri}} 308\n}}");
        }
        let _ = writeln!(text, "{} {{", address(host, options));
        match options.certificates {
            Certificates::Internal => text.push_str("\ttls internal\n"),
            Certificates::Files { .. } => {
                let _ = writeln!(text, "\ttls /run/secrets/{CERTIFICATE} /run/secrets/{KEY}");
            }
            Certificates::None | Certificates::Acme => {}
        }
        text.push_str("\tlog\n");
        let _ = writeln!(text, "\t@candidate header {CANDIDATE_HEADER} {candidate}");
        route(&mut text, "handle @candidate", &names.service(Kind::Candidate), "");
        // Asked again: a task that has just gone is tried no second time.
        let patience = "\t\t\tlb_try_duration 5s\n\t\t\tlb_try_interval 100ms\n";
        route(&mut text, "handle", &names.service(Kind::Backend), patience);
        text.push_str("}\n");
    }
    text
}

fn route(text: &mut String, handle: &str, service: &str, more: &str) {
    let _ = write!(
        text,
        "\t{handle} {{\n\t\trequest_header -{CANDIDATE_HEADER}\n\t\treverse_proxy {{\n\t\t\tdynamic a {service} {PORT} {{\n\t\t\t\t\
         refresh 1s\n\t\t\t}}\n{more}\t\t}}\n\t}}\n"
    );
}

/// A site's address: with certificates HTTPS, and HTTP is sent there.
fn address(host: &str, options: &EdgeOptions) -> String {
    match options.certificates {
        Certificates::None => format!("http://{host}:{HTTP}"),
        Certificates::Acme | Certificates::Internal | Certificates::Files { .. } => format!("https://{host}"),
    }
}

/// `X-Candidate`, as names of headers are written in logs.
fn canonical(header: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    header.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn options(certificates: Certificates) -> EdgeOptions {
        EdgeOptions {
            image: "caddy".to_owned(),
            hosts: vec!["api.example.com".to_owned(), "app.example.com".to_owned()],
            http_port: 80,
            https_port: 443,
            certificates,
            candidate: "0011223344556677".into(),
        }
    }

    #[test]
    fn it_names_no_release_and_keeps_the_header_out_of_the_log() {
        insta::assert_snapshot!(caddyfile(&Names::new("staging"), &options(Certificates::Acme)));
    }

    #[test]
    fn certificates_of_the_operators_are_used_for_every_host() {
        let files = Certificates::Files { certificate: "PEM".to_owned(), key: "KEY".into() };
        let text = caddyfile(&Names::new("staging"), &options(files));
        assert_eq!(text.matches("tls /run/secrets/edge.pem /run/secrets/edge.key").count(), 2, "{text}");
    }

    #[test]
    fn another_port_than_the_usual_one_is_named_where_http_is_sent() {
        let mut options = options(Certificates::Internal);
        assert!(!caddyfile(&Names::new("staging"), &options).contains("redir"), "the edge does it by itself");
        options.https_port = 8443;
        let text = caddyfile(&Names::new("staging"), &options);
        assert!(text.contains("redir https://app.example.com:8443{uri} 308"), "{text}");
        assert!(text.contains("auto_https disable_redirects"), "{text}");
    }

    #[test]
    fn without_certificates_it_speaks_http_only() {
        let text = caddyfile(&Names::new("staging"), &options(Certificates::None));
        assert!(text.contains("auto_https off") && text.contains("http://api.example.com:8080 {"), "{text}");
    }
}
