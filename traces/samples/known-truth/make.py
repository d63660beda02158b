"""Sends requests at known times through nginx, Apache httpd and squid, and keeps what it knows.

chrt -f 20 python3 make.py SEED FOLDER
"""
import http.server, os, random, socket, subprocess, sys, threading, time
W = sys.argv[2]
os.makedirs(W + "/logs", exist_ok=True)
os.chmod(W, 0o777); os.chmod(W + "/logs", 0o777)
BACK, NGINX, APACHE, SQUID = 18080, 18081, 18082, 18083

class Backend(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(int(self.path.rsplit("=", 1)[1]) / 1000)
        self.send_response(200); self.send_header("content-length", "5"); self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *a): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True

nginx = f"""
daemon off; worker_processes 1; pid {W}/nginx.pid; error_log {W}/nginx.err;
user root;
events {{ worker_connections 512; }}
http {{
  log_format timed '$remote_addr [$time_local] "$request" $status $body_bytes_sent $msec $request_time';
  access_log {W}/logs/nginx.log timed;
  server {{ listen 127.0.0.1:{NGINX}; location / {{ proxy_pass http://127.0.0.1:{BACK}; }} }}
}}"""
apache = f"""
ServerRoot /usr/lib/apache2
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule proxy_module modules/mod_proxy.so
LoadModule proxy_http_module modules/mod_proxy_http.so
User nobody
Group nogroup
PidFile {W}/apache.pid
ErrorLog {W}/apache.err
DefaultRuntimeDir {W}
ServerName localhost
Listen 127.0.0.1:{APACHE}
ProxyPass / http://127.0.0.1:{BACK}/
LogFormat "%h %l %u %t \\"%r\\" %>s %b %{{begin:usec}}t %{{end:msec}}t %D" timed
CustomLog {W}/logs/apache.log timed
"""
squid = f"""
http_port 127.0.0.1:{SQUID}
http_access allow all
cache deny all
access_log stdio:{W}/logs/squid.log squid
cache_log {W}/squid.err
pid_filename {W}/squid.pid
coredump_dir {W}
cache_effective_user proxy
cache_effective_group proxy
shutdown_lifetime 1 seconds
logfile_rotate 0
visible_hostname known.example
pinger_enable off
"""
for name, text in (("nginx.conf", nginx), ("apache.conf", apache), ("squid.conf", squid)):
    open(f"{W}/{name}", "w").write(text)
threading.Thread(target=Server(("127.0.0.1", BACK), Backend).serve_forever, daemon=True).start()
P = [subprocess.Popen(["/usr/sbin/nginx", "-c", f"{W}/nginx.conf"]),
     subprocess.Popen(["/usr/sbin/apache2", "-f", f"{W}/apache.conf", "-DFOREGROUND"]),
     subprocess.Popen(["/usr/sbin/squid", "-n", "knowntruth", "-N", "-f", f"{W}/squid.conf"])]
def up(port):
    for _ in range(200):
        try: socket.create_connection(("127.0.0.1", port), 1).close(); return
        except OSError: time.sleep(0.1)
    for p in P: p.terminate()
    sys.exit(f"port {port} is not there")
for port in (BACK, NGINX, APACHE, SQUID): up(port)

def one(port, target, results, number):
    s = socket.create_connection(("127.0.0.1", port), 5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = f"GET {target} HTTP/1.1\r\nHost: known.example\r\nConnection: close\r\n\r\n".encode()
    before = time.time_ns()
    s.sendall(request)
    results[number] = before
    while s.recv(65536): pass
    s.close()

random.seed(int(sys.argv[1]))
for name, port in (("nginx", NGINX), ("apache", APACHE), ("squid", SQUID)):
    for warm in range(5): one(port, ("http://127.0.0.1:%d" % BACK if name == "squid" else "") + f"/warm/{warm}?ms=1", {}, 0)
    time.sleep(0.5)
    results, threads, due = {}, [], time.monotonic()
    for number in range(200):
        due += random.expovariate(1 / 0.03)
        target = f"/r/{number}?ms={random.randrange(0, 80)}"
        if name == "squid": target = f"http://127.0.0.1:{BACK}{target}"
        time.sleep(max(0, due - time.monotonic()))
        t = threading.Thread(target=one, args=(port, target, results, number)); t.start(); threads.append(t)
    for t in threads: t.join()
    with open(f"{W}/{name}.truth.csv", "w") as f:
        f.write("number,sent_ns\n" + "".join(f"{n},{results[n]}\n" for n in range(200)))
time.sleep(1.5)
for p in P: p.terminate()
for p in P: p.wait(20)
