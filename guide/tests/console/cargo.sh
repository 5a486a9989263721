# Stands in for cargo in the commands of pages.
set -e
export CARGO_TARGET_DIR='@TARGET@' CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0

# A program of the repository: `cargo run … -p PACKAGE [--bin NAME] [-- ARGUMENTS]`.
if [[ $1 == run && " $* " == *" -p "* ]]; then
    program=''
    while [[ $# -gt 0 && $1 != -- ]]; do
        case $1 in
            -p) program=${program:-$2}; [[ $2 == dasf-cli ]] && program=dasf; shift ;;
            --bin) program=$2; shift ;;
        esac
        shift
    done
    [[ $# -gt 0 ]] && shift
    exec "$program" "$@"
fi

arguments=()
for argument in "$@"; do
    # The checkout is beside the packages of a page.
    case $argument in
        ../dasf) argument='@ROOT@' ;;
        ../dasf/*) argument='@ROOT@'/${argument#../dasf/} ;;
    esac
    arguments+=("$argument")
done

case $1 in
    # All programs of the repository are on the search path already.
    install) exit 0 ;;
    new)
        '@CARGO@' "${arguments[@]}"
        cp '@ROOT@/Cargo.lock' "${arguments[-1]}/Cargo.lock"
        ;;
    *) exec '@CARGO@' "${arguments[@]}" ;;
esac
