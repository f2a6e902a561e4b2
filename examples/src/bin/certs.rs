//! Makes certificates for tests: an authority, a server's and a client's that it signed.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin certs -- target/certs
//! ```

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use clap::Parser;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};

/// Makes certificates for tests: ca.pem, server.pem and server.key, client.pem and client.key.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// The directory to write them to; it is made if it is not there
    directory: PathBuf,

    /// The names that the server's certificate is for
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values = ["localhost", "127.0.0.1", "::1"])]
    names: Vec<String>,

    /// The name in the client's certificate
    #[arg(long, value_name = "NAME", default_value = "client")]
    client: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let directory = &options.directory;
    std::fs::create_dir_all(directory)?;
    let mut params = CertificateParams::new([])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = named("netpoll's tests");
    let key = KeyPair::generate()?;
    std::fs::write(directory.join("ca.pem"), params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);
    let host = options.names.first().cloned().unwrap_or_default();
    sign(directory, "server", &host, options.names, &issuer)?;
    sign(directory, "client", &options.client, vec![options.client.clone()], &issuer)?;
    println!("certificates for tests are in {}; keep them out of production", directory.display());
    Ok(())
}

/// Writes a certificate for `names`, and its key.
fn sign(
    directory: &Path,
    file: &str,
    name: &str,
    names: Vec<String>,
    issuer: &Issuer<'_, KeyPair>,
) -> Result<(), Box<dyn Error>> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = named(name);
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    std::fs::write(
        directory.join(file).with_extension("pem"),
        params.signed_by(&key, issuer)?.pem(),
    )?;
    std::fs::write(directory.join(file).with_extension("key"), key.serialize_pem())?;
    Ok(())
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
