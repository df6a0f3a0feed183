//! The storage of backups: the same cases over a volume behind its listener, and over a bucket of a real S3 server (versitygw).

mod cases;
mod fixture;
mod pod;
mod start;
mod volume;

/// Runs each case with both.
macro_rules! cases {
    ($($case:ident)*) => {
        mod on_a_volume {
            $(#[tokio::test] async fn $case() { super::cases::$case(super::fixture::Fixture::volume()).await; })*
        }
        mod in_a_bucket {
            $(#[tokio::test] async fn $case() { super::cases::$case(super::fixture::Fixture::s3().await).await; })*
        }
    };
}

cases! {
    parts_in_any_order_become_the_object
    upload_continues_after_a_restart
    uploaded_bytes_are_those_of_the_parts
    expired_and_forged_urls_are_refused
    incomplete_uploads_become_no_object
    small_objects_are_replaced
    deletion_ends_open_uploads
    stopped_storage_is_an_outage
    damage_and_wrong_keys_are_found
}
