// The file is missing, and its option is misspelled.
mod weather {
    dasf::client!();
}

mod climate {
    dasf::client!(weather);
}

mod water {
    dasf::client!("water.api.json", krate = rpc);
}

fn main() {}
