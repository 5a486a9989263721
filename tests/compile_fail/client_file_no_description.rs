// The file is JSON, but not an API description.
mod weather {
    dasf::client!("../../../../tests/interop/differences.json");
}

fn main() {}
