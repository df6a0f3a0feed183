//! Compiles the protos with protox, so that no protoc is needed. The descriptor set is kept as protox encodes it, with all options, for reflection.

use std::path::PathBuf;

const PROTOS: [&str; 13] = [
    "storeplane/v1/audit.proto",
    "storeplane/v1/backup_service.proto",
    "storeplane/v1/domain_service.proto",
    "storeplane/v1/event.proto",
    "storeplane/v1/operation.proto",
    "storeplane/v1/platform.proto",
    "storeplane/v1/rollout_service.proto",
    "storeplane/v1/session_service.proto",
    "storeplane/v1/store.proto",
    "storeplane/v1/store_service.proto",
    "storeplane/v1/tenant_service.proto",
    "storeplane/v1/token_service.proto",
    "third_party/grpc/health/v1/health.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=storeplane");
    println!("cargo:rerun-if-changed=third_party");
    let mut compiler = protox::Compiler::new(["third_party", "."])?;
    compiler.include_source_info(true).include_imports(true).open_files(PROTOS)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("storeplane.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_transport(false)
        // These contain secrets; lib.rs implements `Debug`.
        .skip_debug([
            ".storeplane.v1.StoreCredentials",
            ".storeplane.v1.CreateTokenResponse",
            ".storeplane.v1.RotateTokenResponse",
            ".storeplane.v1.Smtp",
        ])
        // Few stores have them, and futures hold stores.
        .boxed(".storeplane.v1.Store.smtp")
        .boxed(".storeplane.v1.Store.update_preview")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
