// The file is not JSON.
mod weather {
    dasf::client!("../../../../README.md");
}

fn main() {}
