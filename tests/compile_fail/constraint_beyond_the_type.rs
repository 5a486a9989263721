#[dasf::module]
mod service {
    #[dasf::function(returns(ge = 0.5, lt = 1))]
    pub fn pick(
        #[dasf(le = 300)] a: u8,
        #[dasf(ge = 256)] b: Option<u8>,
        #[dasf(gt = -1)] c: &usize,
        #[dasf(lt = -128)] d: i8,
        #[dasf(le = 9223372036854775808)] e: i64,
        #[dasf(ge = 18446744073709551616)] f: u64,
        #[dasf(le = 1e39)] g: f32,
        #[dasf(gt = 1.7976931348623157e308)] h: f64,
        #[dasf(le = 1e39)] i: i128,
        #[dasf(multiple_of = 300)] j: u8,
        #[dasf(gt = 1, lt = 2)] k: u16,
        #[dasf(min_length = 2)] l: char,
        #[dasf(max_items = 4)] m: [f64; 3],
        #[dasf(default = 7, multiple_of = 5)] n: i32,
    ) -> u32 {
        drop((a, b, c, d, e, f, g, h, i, j, k, l, m, n));
        todo!()
    }
}
