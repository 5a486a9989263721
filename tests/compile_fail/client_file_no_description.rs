// JSON, but not what a module answers to `api_info`.
mod weather {
    dasf::client!("../../../../tests/interop/differences.json");
}

fn main() {}
