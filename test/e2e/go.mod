module warder/test/e2e

go 1.26.0
