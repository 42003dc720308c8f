#!/bin/sh
# Installs the Debian packages of host-packages.txt that are missing. Needs no Python, so
# that `make setup` can run it first. Exit status: 0 all there, 3 the user must act.
set -eu

list=$(dirname "$0")/host-packages.txt
wanted=$(sed -e 's/#.*//' "$list" | tr -s '[:space:]' ' ')

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "This host is not based on Debian. Install the equivalents of these packages:$wanted" >&2
	exit 3
fi

# shellcheck disable=SC2086  # the list is to be split
installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
	sed -n 's/^installed //p') || true
missing=
for package in $wanted; do
	case "
$installed
" in
	*"
$package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "Debian packages are missing. Install them and try again:" >&2
	echo "  sudo apt-get update && sudo apt-get install --no-install-recommends$missing" >&2
	exit 3
fi

echo "Installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
quiet="-qq -o Dpkg::Use-Pty=0"
# shellcheck disable=SC2086
if ! { apt-get update $quiet && apt-get install --yes --no-install-recommends $quiet $missing; } >&2
then
	echo "apt-get failed; see its messages above. Still missing:$missing" >&2
	exit 3
fi
