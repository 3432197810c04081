//! A centre that bills, as a process that a test kills. Its one argument is its life, as JSON.

use wellgate_tests::centre::{Life, live};

#[tokio::main]
async fn main() {
    let life = std::env::args().nth(1).expect("its life is told");
    let life: Life = serde_json::from_str(&life).expect("it is JSON");
    live(&life).await;
}
