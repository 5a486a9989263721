// The file name is missing, is not a string, or has an unknown option behind it.
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
