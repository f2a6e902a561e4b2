//! The names that stand in a certificate.

use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

/// Returns the DNS names that the certificate `der` is for, in lower case; none if it cannot be read.
pub(super) fn dns_names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}

/// Returns the subject of the certificate `der`, as RFC 4514 writes it (`CN=alice, O=Example`).
pub(super) fn subject(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.subject().to_string())
}

/// Returns whether the certificate's name `pattern` covers `host`. `*` stands for the first label alone, as
/// RFC 6125 has it.
pub(super) fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern == host,
        Some(parent) => {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_covers_one_label() {
        assert!(covers("a.example", "a.example"));
        assert!(!covers("a.example", "b.example"));
        assert!(covers("*.a.example", "b.a.example"));
        assert!(!covers("*.a.example", "a.example"));
        assert!(!covers("*.a.example", "c.b.a.example"));
        assert!(!covers("*.a.example", ".a.example"));
    }

    #[test]
    fn what_is_no_certificate_has_no_names() {
        assert!(dns_names(b"nonsense").is_empty());
        assert_eq!(subject(b""), None);
    }
}
