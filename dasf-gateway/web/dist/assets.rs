// `cargo xtask web` writes this file.
&[
    Asset { path: "index.html", media_type: "text/html; charset=utf-8", digest: "5ca8aa0880ee1d0e79dbf9c9438aed2c", bytes: include_bytes!("index.html") },
    Asset { path: "assets/array-HlpVcZW8.js", media_type: "text/javascript; charset=utf-8", digest: "8b0587a75b3ca037e9e66b5836df731f", bytes: include_bytes!("assets/array-HlpVcZW8.js") },
    Asset { path: "assets/colours-DE9VtVvf.js", media_type: "text/javascript; charset=utf-8", digest: "9f9bb137824a301af69819c9efa75232", bytes: include_bytes!("assets/colours-DE9VtVvf.js") },
    Asset { path: "assets/features-0swSP9Fb.js", media_type: "text/javascript; charset=utf-8", digest: "ce82d6da6f606eeaf85228d478d25649", bytes: include_bytes!("assets/features-0swSP9Fb.js") },
    Asset { path: "assets/icon-DMASzcJL.svg", media_type: "image/svg+xml", digest: "e22faebff29c1396e77cad53f72de63c", bytes: include_bytes!("assets/icon-DMASzcJL.svg") },
    Asset { path: "assets/index-B3SR1eyo.js", media_type: "text/javascript; charset=utf-8", digest: "10826ec36dd7be550ad958cb299c9c2b", bytes: include_bytes!("assets/index-B3SR1eyo.js") },
    Asset { path: "assets/index-Dg5S_QAl.css", media_type: "text/css; charset=utf-8", digest: "66432e6e7108942256d55e341d734f43", bytes: include_bytes!("assets/index-Dg5S_QAl.css") },
    Asset { path: "assets/licences.txt", media_type: "text/plain; charset=utf-8", digest: "43713249189df4c3fef8a92d3096143c", bytes: include_bytes!("assets/licences.txt") },
    Asset { path: "assets/map-BIfcjJ6H.js", media_type: "text/javascript; charset=utf-8", digest: "1f5ebe086f5bbf6e21badcbb9d8ac2a9", bytes: include_bytes!("assets/map-BIfcjJ6H.js") },
    Asset { path: "assets/markdown-CEgmk18a.js", media_type: "text/javascript; charset=utf-8", digest: "439c58596ccd04a8c95402140bc77dc3", bytes: include_bytes!("assets/markdown-CEgmk18a.js") },
    Asset { path: "assets/outline-PbLeDKID.js", media_type: "text/javascript; charset=utf-8", digest: "e2e32478dc08d68bf2ae651efd8eb61d", bytes: include_bytes!("assets/outline-PbLeDKID.js") },
    Asset { path: "assets/picker-CW-4DBgq.js", media_type: "text/javascript; charset=utf-8", digest: "2f030debfb15c884be18232df4e1d969", bytes: include_bytes!("assets/picker-CW-4DBgq.js") },
    Asset { path: "assets/plot-CC5kwu6S.js", media_type: "text/javascript; charset=utf-8", digest: "fcbc05d843c59ce59f790ba9dedd2b1c", bytes: include_bytes!("assets/plot-CC5kwu6S.js") },
    Asset { path: "assets/plot-CnsZ1jie.css", media_type: "text/css; charset=utf-8", digest: "0fd9465202f6dfceac29e67c17e5ac9f", bytes: include_bytes!("assets/plot-CnsZ1jie.css") },
    Asset { path: "assets/raster-CExkft5M.js", media_type: "text/javascript; charset=utf-8", digest: "5bdde64d9e9859a6b8728ae78a220eb2", bytes: include_bytes!("assets/raster-CExkft5M.js") },
    Asset { path: "assets/rolldown-runtime-P3Pd_6ND.js", media_type: "text/javascript; charset=utf-8", digest: "2c55c133304e5e5f2cccfdb0cf7de66d", bytes: include_bytes!("assets/rolldown-runtime-P3Pd_6ND.js") },
]
