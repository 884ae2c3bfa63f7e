#!/usr/bin/env bash
# Build the image, run it as its users do, with compose and alone, and look at it from outside.
# The first check that fails ends the run and shows the last answer and the log.
set -euo pipefail
cd "$(dirname "$0")/../.."

project=flight-price-check-$$
scratch=$(mktemp -d)
passed=0
answer=$scratch/answer
touch "$answer"

# Neither .env nor the shell's settings change what is checked.
unset REDIS_URL REQUEST_DEADLINE SANDBOX_PORT WEB_CONCURRENCY "${!AMADEUS_@}" "${!API_@}" "${!BRIDGE_@}" \
  "${!CACHE_@}" "${!CLIENT_@}" "${!DUFFEL_@}" "${!IGNAV_@}" "${!LOG_@}" "${!NOCACHE_@}" "${!OPERATOR_@}"
compose() { docker compose --progress quiet --project-name "$project" --env-file /dev/null "$@"; }

py() { python3 -c "$@"; }
free_port() { py 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'; }
date=$(py 'import datetime as d; print(d.date.today() + d.timedelta(days=30))')
price="/flights/price?origin=JFK&destination=LAX&date=$date"

check() { # what it shows; a command that succeeds if it is so
  local what=$1
  shift
  if ! "$@"; then
    printf 'FAIL  %s\n\nThe last answer:\n%s\n\nThe log:\n' "$what" "$(cat "$answer")" >&2
    logs | tail -40 >&2
    exit 1
  fi
  passed=$((passed + 1))
  printf 'ok    %s\n' "$what"
}

tear_down() {
  docker rm --force --volumes "$project-alone" >/dev/null 2>&1 || true
  compose --profile bridge --profile sandbox --profile scale down --volumes --timeout 5 >/dev/null 2>&1 || true
  docker image rm "$project-caddy" >/dev/null 2>&1 || true
  rm -rf "$scratch"
}
trap tear_down EXIT
trap 'exit 130' INT TERM

ask() { # a path, options of curl; status line, headers and body are kept for `answered`
  curl --silent --show-error --include --max-time 20 "${@:2}" "http://127.0.0.1:$PORT$1" |
    tr -d '\r' >"$answer"
}
answered() { grep --extended-regexp --ignore-case --quiet "$1" "$answer"; }
body() { tail -1 "$answer"; }

logged() { # an event; lines are written a moment after the answer
  for _ in $(seq 20); do
    logs >"$scratch/log"
    grep --quiet "\"event\": *\"$1\"" "$scratch/log" && return
    sleep 0.2
  done
  return 1
}
logs_are_json() { logs | py 'import json, sys; [json.loads(line) for line in sys.stdin]'; }
ended_with_0() { [ "$(docker inspect --format '{{.State.ExitCode}}' "$1")" = 0 ]; }
fails() { ! "$@" >/dev/null 2>&1; }

docker info >/dev/null 2>&1 || {
  echo 'No Docker engine answers. Install or start one (https://docs.docker.com/engine/install/) and try again.' >&2
  exit 1
}
docker compose version >/dev/null 2>&1 || {
  echo 'Docker is here without its compose plugin: https://docs.docker.com/compose/install/' >&2
  exit 1
}

echo '== docker compose up, on a port of its own'
logs() { docker logs "$project-api-1" 2>&1; }
in_api() { compose exec --no-TTY api "$@"; }
PORT=$(free_port)
export PORT
secret=the-secret-that-no-image-may-hold
export AMADEUS_CLIENT_SECRET=$secret
check 'the image builds' compose build
unset AMADEUS_CLIENT_SECRET
image_tells() { # all that anybody can see who has the image
  docker image inspect flight-price-api
  docker history --no-trunc flight-price-api
  docker run --rm flight-price-api find /app -type f
}
image_tells >"$scratch/image"
check 'the list of files in the image is complete' grep --quiet /app/gunicorn.conf.py "$scratch/image"
check 'the image holds no secret' fails grep --quiet "$secret" "$scratch/image"
check 'the image has no development files' \
  fails grep --extended-regexp --quiet '/app/(\.|tests|docs|Makefile)' "$scratch/image"
check 'api and redis become healthy' compose up --detach --wait --wait-timeout 120

ask /flights/ping
check 'ping answers pong' answered '^\{"data": ?"pong"\}$'
ask "$price"
check 'a price is served' answered '"price": ?"[0-9.]+ [A-Z]{3}"'
check 'the first price comes from Amadeus' answered '^x-cache: miss$'
first=$(body)
ask "$price"
check 'the second request is a hit' answered '^x-cache: hit$'
check 'the hit has the same body' [ "$(body)" = "$first" ]
ask "$price&nocache=1"
check 'nocache calls Amadeus again' answered '^x-cache: bypass$'
check 'Redis holds the fetched price' fails [ "$(compose exec --no-TTY redis redis-cli dbsize)" = 0 ]

ask /metrics
check '/metrics covers all workers, although the root is read-only' \
  answered '^flight_price_workers [1-9]'
ask /status
check 'the status page is served' answered '^content-security-policy: '
ask /docs/swagger-ui.js
check 'the API page has its script' answered '^HTTP/1.1 200'

check 'the log has the fetch of the token' logged token.fetched
check 'the log has the hit' logged cache.hit
check 'each line of the log is JSON' logs_are_json

check 'gunicorn is process 1' in_api grep --quiet gunicorn /proc/1/cmdline
check 'api runs as user 10001' [ "$(in_api id -u):$(in_api id -G)" = 10001:10001 ]
check 'api has no capabilities' \
  [ "$(in_api grep --count --extended-regexp '^Cap(Inh|Prm|Eff|Bnd|Amb):\s*0+$' /proc/1/status)" = 5 ]
check 'redis has no capabilities' compose exec --no-TTY redis grep --quiet '^CapBnd:\s*0*$' /proc/1/status
check 'redis does not run as root' fails [ "$(compose exec --no-TTY redis id -u)" = 0 ]
check 'system calls of api are filtered' in_api grep --quiet '^Seccomp:\s*2$' /proc/1/status
check 'api has no set-uid programs' \
  [ -z "$(in_api find / -xdev -type f -perm /6000 2>/dev/null)" ]
check 'api has no installer' fails in_api sh -c 'command -v pip || /usr/local/bin/python -m pip --version'
check 'api writes no core dumps' [ "$(in_api sh -c 'ulimit -c')" = 0 ]
check 'api may open a file for each connection' [ "$(in_api sh -c 'ulimit -n')" -ge 4096 ]
check 'programs cannot run from writable places' \
  in_api grep --extended-regexp --quiet '^tmpfs /tmp tmpfs [^ ]*noexec' /proc/mounts
check 'api cannot gain privileges' in_api grep --quiet '^NoNewPrivs:\s*1$' /proc/1/status
check 'the root of api is read-only' fails in_api touch /var/tmp/x
check 'the root of redis is read-only' fails compose exec --no-TTY redis touch /var/tmp/x
check 'redis is not published' fails compose port redis 6379

grace=$(docker inspect --format '{{.Config.StopTimeout}}' "$project-api-1")
graceful=$(sed -n 's/^graceful_timeout = //p' gunicorn.conf.py)
check 'docker stops api with the signal that gunicorn expects' \
  [ "$(docker inspect --format '{{.Config.StopSignal}}' "$project-api-1")" = SIGTERM ]
check "docker waits longer ($grace s) than gunicorn does ($graceful s)" [ "$grace" -gt "$graceful" ]
started=$SECONDS
compose stop
check 'api stops within its grace period' [ $((SECONDS - started)) -lt 25 ]
check 'api exited by itself' ended_with_0 "$project-api-1"
check 'redis exited by itself' ended_with_0 "$project-redis-1"
check 'the log has the stop' logged service.stopping
compose down --volumes

echo '== docker compose --profile sandbox up, with the simulator as a server of its own'
SANDBOX_PORT=$(free_port)
export SANDBOX_PORT
export AMADEUS_BASE_URL=http://sandbox:9090 AMADEUS_CLIENT_ID=id AMADEUS_CLIENT_SECRET=secret
check 'api, redis and sandbox become healthy' \
  compose --profile sandbox up --detach --wait --wait-timeout 120
unset "${!AMADEUS_@}"
ask "$price"
check 'a price is served over the network' answered '"price": ?"[0-9.]+ [A-Z]{3}"'
PORT=$SANDBOX_PORT ask /admin/counters
check 'the sandbox was called, and is reachable from this machine' \
  answered '"search":\{"calls":[1-9]'
addresses=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$project-redis-1")
reaches_redis() {
  compose exec --no-TTY "$1" python -c "
import socket, sys
socket.setdefaulttimeout(2)
sys.exit(not any(not socket.socket().connect_ex((address, 6379)) for address in '$addresses'.split()))"
}
check 'api reaches Redis' reaches_redis api
check 'the sandbox cannot reach Redis' fails reaches_redis sandbox
compose --profile sandbox down --volumes --timeout 5

echo '== docker compose --profile bridge up, with the bridge as a server of its own'
BRIDGE_PORT=$(free_port)
export BRIDGE_PORT
export BRIDGE_CLIENT_ID=id BRIDGE_CLIENT_SECRET=$secret DUFFEL_ACCESS_TOKEN=duffel_test_of-nobody
check 'the bridge becomes healthy' \
  compose --profile bridge up --detach --wait --wait-timeout 120 bridge
unset "${!BRIDGE_CLIENT_@}" "${!DUFFEL_@}"
grant() { # a client secret
  PORT=$BRIDGE_PORT ask /v1/security/oauth2/token --data grant_type=client_credentials \
    --data client_id=id --data "client_secret=$1"
}
grant "$secret"
check 'its client gets a token' answered '"access_token"'
grant wrong
check 'others get none' answered '^HTTP/1.1 401'
check 'its process list shows no secret' fails grep --quiet "$secret" \
  <(docker top "$project-bridge-1" -eo args)
compose --profile bridge down --volumes --timeout 5

echo '== docker compose up, with a secret of Docker'
printf '%s\n' "$secret" >"$scratch/api_keys"
chmod a+r "$scratch/api_keys"
cat >"$scratch/secrets.yml" <<EOF
services: { api: { secrets: [api_keys] } }
secrets: { api_keys: { file: $scratch/api_keys } }
EOF
logs() { docker logs "$project-api-1" 2>&1; }
export API_KEYS_FILE=/run/secrets/api_keys
check 'api and redis become healthy' \
  compose --file docker-compose.yml --file "$scratch/secrets.yml" up --detach --wait --wait-timeout 120
unset API_KEYS_FILE
ask "$price"
check 'a request without the key gets no price' answered '^HTTP/1.1 401 '
ask "$price" --header "Authorization: Bearer $secret"
check 'a request with the key gets a price' answered '^x-cache: miss$'
docker inspect "$project-api-1" "$project-redis-1" >"$scratch/containers"
check 'docker inspect does not show the key' fails grep --quiet "$secret" "$scratch/containers"
logs >"$scratch/log"
check 'the log does not show the key' fails grep --quiet "$secret" "$scratch/log"
compose down --volumes --timeout 5

echo '== docker compose --profile scale up --scale api=3, replicas behind the balancer'
logs() { compose logs --no-log-prefix api 2>&1; }
export COMPOSE_FILE=docker-compose.yml COMPOSE_PROJECT_NAME=$project COMPOSE_DISABLE_ENV_FILE=1
export API_PORT=127.0.0.1::
if ! docker image inspect caddy:2-alpine >/dev/null 2>&1 && ! docker pull --quiet caddy:2-alpine >/dev/null 2>&1; then
  echo '      caddy:2-alpine is out of reach, so the Caddy of Debian stands in for it'
  docker build --quiet --tag "$project-caddy" - >/dev/null <<EOF
FROM $(sed -n 's/^FROM //p' Dockerfile | tail -1)
RUN apt-get update && apt-get install --yes --no-install-recommends caddy wget
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
EOF
  echo "services: { balancer: { image: $project-caddy } }" >"$scratch/caddy.yml"
  COMPOSE_FILE+=:$scratch/caddy.yml
fi
check 'three replicas and the balancer become healthy' \
  compose --profile scale up --detach --wait --wait-timeout 120 --scale api=3
replicas() { compose ps --all --quiet api | sort; }
ask_while_rolling() { # a status a line
  while [ -e "$scratch/rolling" ]; do
    curl --silent --output /dev/null --max-time 30 --write-out '%{http_code}\n' \
      "http://127.0.0.1:$PORT$price&nocache=$((RANDOM % 20 == 0))" || true
    sleep 0.02
  done
}
replicas >"$scratch/old"
touch "$scratch/rolling"
for _ in 1 2 3; do ask_while_rolling >>"$scratch/statuses" & done
roll() { deploy/balancer/roll >"$answer" 2>&1; }
check 'the replicas are replaced' roll
rm "$scratch/rolling"
wait
replicas >"$scratch/new"
check 'all replicas are new' [ "$(sort "$scratch"/old "$scratch"/new | uniq --unique | wc -l)" = 6 ]
check 'clients send requests meanwhile' [ "$(wc -l <"$scratch/statuses")" -gt 50 ]
check "none of $(wc -l <"$scratch/statuses") requests fails" \
  fails grep --invert-match --quiet '^200$' "$scratch/statuses"
roll_to_a_bad_setting() { CACHE_TTL=nonsense roll; }
check 'a roll to an invalid setting is abandoned' fails roll_to_a_bad_setting
check 'the roll names the setting' answered 'CACHE_TTL'
check 'the old replicas stay' cmp "$scratch/new" <(replicas)
ask "$price"
check 'the old replicas still serve' answered '^HTTP/1.1 200'
compose --profile scale down --volumes --timeout 5
unset COMPOSE_FILE COMPOSE_PROJECT_NAME COMPOSE_DISABLE_ENV_FILE API_PORT

echo '== docker run, the image alone'
logs() { docker logs "$project-alone" 2>&1; }
healthy() {
  for _ in $(seq 60); do
    [ "$(docker inspect --format '{{.State.Health.Status}}' "$project-alone")" = healthy ] && return
    sleep 0.5
  done
  return 1
}
first_price() { # and how long a user waits for it
  for _ in $(seq 600); do
    ask "$price" 2>/dev/null && answered '^x-cache: miss$' && return
    sleep 0.05
  done
  return 1
}
began=$(date +%s%N)
docker run --detach --name "$project-alone" --publish "$PORT:8080" flight-price-api >/dev/null
check 'a price is served' first_price
printf '      %d ms after docker run\n' $((($(date +%s%N) - began) / 1000000))
check 'the container becomes healthy' healthy
ask "$price"
check 'the second request is a hit' answered '^x-cache: hit$'
check 'the container cannot change its own code' fails docker exec "$project-alone" touch /app/x
docker stop -t 25 "$project-alone" >/dev/null
check 'the container exited by itself' ended_with_0 "$project-alone"

size() { docker image inspect --format '{{.Size}}' "$1"; }
base=$(sed -n 's/^FROM //p' Dockerfile | tail -1)
added=$((($(size flight-price-api) - $(size "$base")) / 1000000))
echo "== the image: $(($(size flight-price-api) / 1000000)) MB, of which $added MB on top of $base"
check 'the project adds less than 80 MB to its base' [ "$added" -lt 80 ]

printf '\n%s passed, 0 failed\n' "$passed"
