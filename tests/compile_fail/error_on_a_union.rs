#[derive(dasf::IntoError)]
union Failed {
    a: u8,
}

fn main() {}
