// A file that is no description.
mod weather {
    dasf::client!("../../../../README.md");
}

fn main() {}
