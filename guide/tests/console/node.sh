# Stands in for a Node.js that has a WebSocket and runs TypeScript, as its versions from 22.18 on.
set -e
modules='@MODULES@'
export NODE_OPTIONS="--import file://@FOLDER@/websocket.mjs"

if [[ $1 == *.ts ]]; then
    compiled=$(mktemp --directory)
    trap 'rm -r "$compiled"' EXIT
    "$modules/.bin/tsc" --outDir "$compiled" --noCheck --rewriteRelativeImportExtensions \
        --target es2022 --module esnext --moduleResolution bundler "$1"
    [[ -e package.json ]] && cp package.json "$compiled"
    '@NODE@' "$compiled/$(basename "$1" .ts).js" "${@:2}"
else
    exec '@NODE@' "$@"
fi
