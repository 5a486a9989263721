//! The embedded broker with TLS and the certificate of a private authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dasf::broker::{ConnectError, TlsFault};
use dasf::{Address, ClientError, HostOptions};
use dasf_examples::reference;
use dasf_test_support::{broker_builder, listen_at};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::generated_python::{folder, save_reference};
use crate::python;
use crate::python_caller;
use crate::support::call_everything;

/// The files of an authority and of a certificate for this machine.
struct Files {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn write(folder: &Path) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "the authority of a test");
        let key = KeyPair::generate().unwrap();
        let authority = CertifiedIssuer::self_signed(authority, key).unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        let files = Self {
            authority: folder.join("authority.pem"),
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        fs::write(&files.authority, authority.pem()).unwrap();
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    /// Runs a script in Python that trusts the authority.
    async fn run(&self, script: &str, arguments: &[&str]) -> String {
        let mut script = python::command(script, arguments);
        script.env("SSL_CERT_FILE", &self.authority);
        let run = move || printed(&mut script);
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_and_python_meet_by_tls() {
    let files = Files::write(&folder("secured"));
    let broker = broker_builder().tls(&files.certificate, &files.key);
    let broker = broker.start().await.unwrap();
    let url = format!("wss://localhost:{}/ws", broker.local_addr().port());
    let untrusting = Address::websocket(&url).unwrap();
    let address = untrusting.clone().with_ca_file(&files.authority).unwrap();
    let module = reference::module().unwrap();
    let host = listen_at(address.clone(), "secured", module, HostOptions::default()).await;

    let builder = || reference::Client::builder().topic("secured");
    let client = builder().address(address).connect().await.unwrap();
    call_everything(&client).await;
    match builder().address(untrusting).connect().await {
        Err(ClientError::Connect(ConnectError::Tls { fault, .. })) => {
            assert_eq!(fault, TlsFault::UnknownAuthority);
        }
        other => panic!("{other:?}"),
    }
    let without = url.replace("wss://", "ws://");
    match builder().websocket(&without).connect().await {
        Err(ClientError::Connect(ConnectError::Refused { status, reason, .. })) => {
            assert_eq!(status, 400);
            assert!(
                reason.contains("use a URL that begins with wss://"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }

    let said = files.run("reference_client.py", &[&url, "secured"]).await;
    python_caller::check_calls_by_the_model(&said, "secured");
    let generated = save_reference("secured");
    let arguments = [&generated, &url, "secured", "rust"];
    assert_eq!(files.run("generated_calls.py", &arguments).await, "");
    host.shutdown().await;
}
