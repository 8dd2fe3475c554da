//! Online Boutique, also known as hipstershop: eleven services, and one whose Service port is not its pod's.
//!
//! Facts: `GoogleCloudPlatform/microservices-demo`, `kubernetes-manifests/`.

use std::net::Ipv4Addr;

use super::shape::{Application, Call, Controller, Party, Workload};

const NAMESPACE: &str = "online-boutique";
const LOAD: (&str, &str) = (NAMESPACE, "loadgenerator");
const FRONTEND: (&str, &str) = (NAMESPACE, "frontend");
const CATALOG: (&str, &str) = (NAMESPACE, "productcatalogservice");
const CURRENCY: (&str, &str) = (NAMESPACE, "currencyservice");
const CART: (&str, &str) = (NAMESPACE, "cartservice");
const RECOMMENDATION: (&str, &str) = (NAMESPACE, "recommendationservice");
const SHIPPING: (&str, &str) = (NAMESPACE, "shippingservice");
const CHECKOUT: (&str, &str) = (NAMESPACE, "checkoutservice");
const AD: (&str, &str) = (NAMESPACE, "adservice");
const PAYMENT: (&str, &str) = (NAMESPACE, "paymentservice");
const EMAIL: (&str, &str) = (NAMESPACE, "emailservice");
const REDIS: (&str, &str) = (NAMESPACE, "redis-cart");

/// The shop.
pub(super) const BOUTIQUE: Application = Application {
    name: "online-boutique",
    workloads: &[
        Workload::deployment(LOAD.0, LOAD.1, &[("app", "loadgenerator")]),
        Workload::deployment(FRONTEND.0, FRONTEND.1, &[("app", "frontend")]).replicas(3).probed(8080),
        Workload::deployment(CATALOG.0, CATALOG.1, &[("app", "productcatalogservice")])
            .replicas(2)
            .probed(3550),
        Workload::deployment(CURRENCY.0, CURRENCY.1, &[("app", "currencyservice")]).replicas(2).probed(7000),
        Workload::deployment(CART.0, CART.1, &[("app", "cartservice")]).replicas(2).probed(7070),
        Workload::deployment(RECOMMENDATION.0, RECOMMENDATION.1, &[("app", "recommendationservice")])
            .probed(8080),
        Workload::deployment(SHIPPING.0, SHIPPING.1, &[("app", "shippingservice")]).probed(50051),
        Workload::deployment(CHECKOUT.0, CHECKOUT.1, &[("app", "checkoutservice")]).replicas(2).probed(5050),
        Workload::deployment(AD.0, AD.1, &[("app", "adservice")]).probed(9555),
        Workload::deployment(PAYMENT.0, PAYMENT.1, &[("app", "paymentservice")]).probed(50051),
        Workload::deployment(EMAIL.0, EMAIL.1, &[("app", "emailservice")]).probed(8080),
        Workload::deployment(REDIS.0, REDIS.1, &[("app", "redis-cart")])
            .run_by(Controller::StatefulSet)
            .probed(6379),
    ],
    calls: &[
        Call::tcp(LOAD, FRONTEND, 8080, "http", 80),
        Call::tcp(FRONTEND, CATALOG, 3550, "grpc", 3550),
        Call::tcp(FRONTEND, CURRENCY, 7000, "grpc", 7000),
        Call::tcp(FRONTEND, CART, 7070, "grpc", 7070),
        Call::tcp(FRONTEND, RECOMMENDATION, 8080, "grpc", 8080),
        Call::tcp(FRONTEND, SHIPPING, 50051, "grpc", 50051),
        Call::tcp(FRONTEND, CHECKOUT, 5050, "grpc", 5050),
        Call::tcp(FRONTEND, AD, 9555, "grpc", 9555),
        Call::tcp(CHECKOUT, CATALOG, 3550, "grpc", 3550),
        Call::tcp(CHECKOUT, SHIPPING, 50051, "grpc", 50051),
        Call::tcp(CHECKOUT, PAYMENT, 50051, "grpc", 50051),
        // The one whose Service port (5000) is not its pod's (8080).
        Call::tcp(CHECKOUT, EMAIL, 8080, "grpc", 5000),
        Call::tcp(CHECKOUT, CURRENCY, 7000, "grpc", 7000),
        Call::tcp(CHECKOUT, CART, 7070, "grpc", 7070),
        Call::tcp(RECOMMENDATION, CATALOG, 3550, "grpc", 3550),
        Call::tcp(CART, REDIS, 6379, "tcp-redis", 6379),
        Call::direct(
            Party::Address(Ipv4Addr::new(203, 0, 113, 140), &[]),
            Party::Pods(FRONTEND.0, FRONTEND.1),
            8080,
        ),
    ],
};
