// The path is relative to the folder of Cargo.toml.
mod weather {
    dasf::client!("weather.api.json");
}

fn main() {}
