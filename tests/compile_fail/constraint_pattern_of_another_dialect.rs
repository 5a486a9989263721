#[dasf::module]
mod service {
    #[dasf::function(returns(pattern = "(?i)^yes$"))]
    pub fn pick(
        #[dasf(pattern = "^[[:alpha:]]+$")] a: &str,
        #[dasf(pattern = "^[a-z&&[^aeiou]]+$")] b: String,
        #[dasf(pattern = r"\A[0-9]+\z")] c: Option<String>,
        #[dasf(pattern = "^(?P<year>[0-9]{4})$")] d: &str,
        #[dasf(pattern = "^(?!x)")] e: &str,
        #[dasf(pattern = r"^(.)\1$")] f: &str,
        #[dasf(pattern = r"^\h*$")] g: &str,
        #[dasf(pattern = "^a++$")] h: &str,
        #[dasf(pattern = "(")] i: &str,
        #[dasf(pattern = r"^\p{Greek}$")] j: &str,
    ) -> String {
        drop((a, b, c, d, e, f, g, h, i, j));
        todo!()
    }
}
