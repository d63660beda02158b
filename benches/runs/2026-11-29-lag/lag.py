import sys,polars as pl,glob
d=sys.argv[1]
df=pl.concat([pl.read_parquet(x) for x in glob.glob(d+'/**/*.parquet',recursive=True)])
df=df.filter(pl.col('intended_ns')>=1_000_000_000)
r=lambda c:[round(df[c].quantile(q)/1e3,1) for q in (.5,.9,.99,.999)]
print(len(df),'lag',r('lag_ns'),'sent',r('sent_ns'),'resp',r('response_ns'))
