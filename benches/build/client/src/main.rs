//! A caller of the service in `../dasf`. `dasf generate` wrote `series.rs`.

mod series;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = series::Client::connect("ws://localhost:8080/ws").await?;
    let name = option_env!("GREETING").unwrap_or("Hello");
    println!("{}", client.greet(name).await?);
    println!("{}", client.add(1, 2).await?);
    Ok(())
}
