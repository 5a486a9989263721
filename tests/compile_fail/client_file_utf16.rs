// The file has another encoding.
mod weather {
    dasf::client!("../../../../tests/fixtures/utf16.api.json");
}

fn main() {}
